"""Continue the beginnings of recordings, decode that, and write a page to hear it.

    python local/generate.py --model exp/model.pt --codec speech_24k --train tokens/train \\
        --valid tokens/valid --perplexity exp/perplexity.json --output exp/page

OUTPUT gets listen.html, README.md with the perplexities, and the continuations as sound and codes.
"""

import argparse
import itertools
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from language_model import LanguageModel, load
from ngrams import Bigrams
from page import write_readme
from perplexity import bigrams, codes_of
from torch import Tensor

from audiocodec import Codec, CodecError, TokenDataset, load_codec, write_waveform
from audiocodec.containers.metadata import smallest_dtype
from audiocodec.evaluation.listening import Clip, write_listening_page
from audiocodec.files import atomic_path

CONTINUED = "prompt, continued by the language model"
ABOUT = "How recordings begin, and how that goes on: as it did, by a language model, by bigrams."
NOTE = "the original, too, is what the codec decodes of as many stages"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for name in ("model", "train", "valid", "perplexity", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--codec", required=True)
    parser.add_argument("--prompt", type=float, default=1.5, help="seconds that are given")
    parser.add_argument("--seconds", type=float, default=2.0, help="that are made")
    parser.add_argument("--clips", type=int, default=4)
    parser.add_argument("--command", required=True, help="that made all this")
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        codec = load_codec(args.codec)
        write(codec, load(args.model, codec), args)
    except CodecError as error:
        sys.exit(f"generate.py: error: {error}")


def write(codec: Codec, model: LanguageModel, args: argparse.Namespace) -> None:
    """Everything in the output folder."""
    given, made = (round(s * codec.frame_rate) for s in (args.prompt, args.seconds))
    chosen = long_ones(model, args.valid, given)[: args.clips]
    if not chosen:
        raise CodecError(f"{args.valid}: no recording is longer than the prompt, {args.prompt} s")
    ngrams = bigrams(model, codes_of(model, args.train))
    clips = []
    for number, (name, codes) in enumerate(chosen):
        torch.manual_seed(number)
        prompt = codes[:, :given]
        walks = [walk(own, int(c[-1]), made, number) for own, c in zip(ngrams, prompt, strict=True)]
        versions = {
            "prompt": prompt,
            CONTINUED: continuation(model, prompt, made),
            "prompt, continued by bigrams": torch.cat([prompt, torch.tensor(walks)], dim=1),
        }
        sounds = {title: codec.decode(own.numpy()) for title, own in versions.items()}
        original = codec.decode(codes[:, : given + made].numpy())
        clips.append(Clip(name, codec.sample_rate, original, list(sounds.items()), [NOTE]))
        path = args.output / f"continuation_{number}.wav"
        write_waveform(path, sounds[CONTINUED], codec.sample_rate)
        with atomic_path(path.with_suffix(".npy")) as temporary:
            kind = smallest_dtype(model.pattern.codebook_sizes)
            np.save(temporary, versions[CONTINUED].numpy().astype(kind))
    write_pages(codec, model, clips, args)


def write_pages(
    codec: Codec, model: LanguageModel, clips: list[Clip], args: argparse.Namespace
) -> None:
    """The page to hear, and that of the figures."""
    report = json.loads(args.perplexity.read_text(encoding="utf-8"))
    own, bigram = (report["perplexity"][name]["all"] for name in ("model", "bigram"))
    facts = {
        "model": f"Continuations by a language model of {codec.name}",
        "prompt": f"the first {args.prompt:g} s",
        "perplexity": f"{own:.0f} (bigrams {bigram:.0f})",
    }
    write_listening_page(clips, args.output / "listen.html", facts, metrics=(), about=ABOUT)
    write_readme(args.output / "README.md", report, model.config, args.command)
    print(args.output / "listen.html")


def walk(ngrams: Bigrams, code: int, count: int, seed: int) -> list[int]:
    """Codes drawn one after the other, each by the one before."""
    random, codes = np.random.default_rng(seed), []
    for _ in range(count):
        code = int(random.choice(ngrams.size, p=ngrams.follows(code)))
        codes.append(code)
    return codes


def long_ones(model: LanguageModel, shards: Path, given: int) -> list[tuple[str, Tensor]]:
    """Ids and codes of recordings that go on after the prompt: the longest of each speaker, then
    the second longest ones.
    """
    options = {"num_quantizers": model.pattern.num_quantizers, "marks": False, "seed": None}
    speakers: dict[str | None, list[tuple[str, Tensor]]] = defaultdict(list)
    for batch in TokenDataset(shards, "parallel", batch_size=1, epochs=1, **options):
        if batch.tokens.shape[-1] > given:
            speakers[batch.rows[0].speaker].append((batch.rows[0].id, batch.tokens[0]))
    for own in speakers.values():
        own.sort(key=lambda row: -row[1].shape[-1])
    turns = itertools.zip_longest(*speakers.values())
    return [row for turn in turns for row in turn if row is not None]


@torch.no_grad()
def continuation(model: LanguageModel, prompt: Tensor, more: int) -> Tensor:
    """The prompt (stages, frames) and `more` frames behind it.

    Codes of the prompt are not drawn, wherever the pattern has them; at every place only codes of
    its stage are.
    """
    pattern, given = model.pattern, prompt.shape[1]
    count = given + more
    tokens = pattern.apply(torch.nn.functional.pad(prompt, (0, more)), bos=True)
    rows = tokens.reshape(-1, tokens.shape[-1])  # a view: what is drawn is written there
    places = torch.from_numpy(pattern.positions(count, bos=True)).reshape(rows.shape)
    state = None
    for step in range(1, rows.shape[1]):
        logits, state = model(tokens[None, ..., step - 1 : step], state)
        for row, place in enumerate(places[:, step].tolist()):
            if place < 0 or place % count < given:
                continue
            stage = place // count
            first = int(pattern.starts[stage])
            own = logits[0, row, 0, first : first + pattern.codebook_sizes[stage]]
            chances = (own / model.config.temperature).softmax(-1)
            rows[row, step] = first + torch.multinomial(chances, 1)[0]
    return pattern.invert(tokens)


if __name__ == "__main__":
    main()
