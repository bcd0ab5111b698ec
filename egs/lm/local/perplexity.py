"""Perplexity of a language model and of n-grams on recordings that neither was trained on.

    python local/perplexity.py --model exp/model.pt --codec speech_24k --train tokens/train \\
        --valid tokens/valid --output exp/perplexity.json

Of each stage and of all codes. The chances of the model are those of the code given all tokens
before it in the pattern; marks and padding are not counted.
"""

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from language_model import LanguageModel, load
from ngrams import Bigrams
from torch import Tensor

from audiocodec import CodecError, TokenDataset, load_codec
from audiocodec.files import atomic_path

MODELS = ("uniform", "unigram", "bigram", "model")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for name in ("model", "train", "valid", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--codec", required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    try:
        codec = load_codec(args.codec)
        model = load(args.model, codec)
        losses = losses_of(model, args.train, args.valid)
    except CodecError as error:
        sys.exit(f"perplexity.py: error: {error}")
    report = {
        "perplexity": {name: perplexities(stages) for name, stages in losses.items()},
        "bits_per_second": {
            name: sum(float(stage.mean()) for stage in stages) / np.log(2) * codec.frame_rate
            for name, stages in losses.items()
        },
        "frames": {"train": frames(args.train), "valid": frames(args.valid)},
        "parameters": sum(weight.numel() for weight in model.parameters()),
    }
    with atomic_path(args.output) as temporary:
        temporary.write_text(json.dumps(report, indent=1), encoding="utf-8")


@torch.no_grad()
def stage_losses(model: LanguageModel, tokens: Tensor) -> list[Tensor]:
    """Negative log chances, in nats, of the codes of each stage of one whole recording."""
    pattern = model.pattern
    logits, _ = model.eval()(tokens[None, ..., :-1])
    wanted = tokens[..., 1:].reshape(1, -1, tokens.shape[-1] - 1, 1)
    losses = -logits.log_softmax(-1).gather(-1, wanted).flatten()
    count = pattern.whole_frames(tokens).shape[-1]
    table = torch.from_numpy(pattern.positions(count, bos=True, eos=True)[..., 1:]).flatten()
    return [losses[(table >= 0) & (table // count == s)] for s in range(pattern.num_quantizers)]


def losses_of(model: LanguageModel, train: Path, valid: Path) -> dict[str, list[np.ndarray]]:
    """Of each model and stage, for every code of the validation set."""
    stages = range(model.pattern.num_quantizers)
    seen, held_out = codes_of(model, train), codes_of(model, valid)
    ngrams = bigrams(model, seen)
    sizes = model.pattern.codebook_sizes
    own = [
        stage_losses(model, model.pattern.apply(codes, bos=True, eos=True)) for codes in held_out
    ]
    return {
        "uniform": [np.log(sizes[s]) * np.ones(1) for s in stages],
        "unigram": [
            _joined(-np.log(ngrams[s].unigram(c[s].numpy())) for c in held_out) for s in stages
        ],
        "bigram": [
            _joined(-np.log(ngrams[s].bigram(c[s].numpy())) for c in held_out) for s in stages
        ],
        "model": [_joined(losses[s].numpy() for losses in own) for s in stages],
    }


def bigrams(model: LanguageModel, recordings: list[Tensor]) -> list[Bigrams]:
    """Of each stage."""
    sizes = model.pattern.codebook_sizes
    return [Bigrams([c[s].numpy() for c in recordings], size) for s, size in enumerate(sizes)]


def codes_of(model: LanguageModel, shards: Path) -> list[Tensor]:
    """The codes (stages, frames) of every recording."""
    options = {"num_quantizers": model.pattern.num_quantizers, "seed": None}
    batches = TokenDataset(shards, "parallel", batch_size=1, epochs=1, marks=False, **options)
    return [batch.tokens[0] for batch in batches]


def frames(shards: Path) -> int:
    """Of all recordings."""
    dataset = TokenDataset(shards, "parallel", batch_size=64, epochs=1, seed=None)
    return int(sum((batch.frames[:, 1] - batch.frames[:, 0]).sum() for batch in dataset))


def perplexities(stages: list[np.ndarray]) -> dict[str, float]:
    """Of each stage, and of all."""
    means = [float(losses.mean()) for losses in stages]
    own = {f"stage {number}": float(np.exp(mean)) for number, mean in enumerate(means)}
    return own | {"all": float(np.exp(np.mean(means)))}


def _joined(parts: Iterable[np.ndarray]) -> np.ndarray:
    return np.concatenate(list(parts))


if __name__ == "__main__":
    main()
