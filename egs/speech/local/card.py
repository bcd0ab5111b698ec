"""The model card of a trained model, from what its run and its evaluation wrote.

    python local/card.py --model DIR --experiment EXP --data data/train --results RESULTS \
        --command "./run.sh" > CARD

RESULTS has a folder of `codec evaluate` for each number of quantizers, named by it, `bench.json` of
`codec bench --json` and `usage.json` of `codec model usage` on unseen and on training speech. No
number in the card is typed by hand.
"""

import argparse
import itertools
import json
import math
from collections import defaultdict
from pathlib import Path
from typing import Any

from audiocodec.config import load_config
from audiocodec.data.data_dir import Utterance, read_data_dir
from audiocodec.environment import commit, environment
from audiocodec.models.bundle import load_codec
from audiocodec.models.codec import Codec
from audiocodec.training.config import Best, TrainConfig
from audiocodec.training.validation import quality

SOURCES = {
    "asp": "African Storybook Project (read by Darshan Soni, Stella Maris Namae, Alexandra "
    "Danahy), CC-BY 3.0",
    "fleursdumal": "LibriVox, Les Fleurs du mal, public domain",
    "kathleen": "rhasspy/dataset-voice-kathleen, CC0 1.0",
    "ljspeech": "LJ Speech (read by Linda Johnson), public domain",
    "jenny": 'Jenny (Dioco); software that generates audio with it names the voice "Jenny (Dioco)"',
    "gcompris": "GCompris voices, those in the public domain",
    "speechocean762": "speechocean762 (Zhang et al. 2021), 16 kHz, free for any use",
}
FIDELITY = ("pesq_wb", "stoi", "estoi", "si_sdr")
VOICE = ("dnsmos", "harmonic_correlation", "tonal_lines", "voicing_f1_pyin", "f0_rmse_pyin")
FIRST_STEPS = 200  # whose losses the card states
PAUSE = 600  # seconds between log lines that are a break between sittings, not training


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for name in ("model", "experiment", "data", "results"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--command", required=True)
    parser.add_argument("--kept", type=int, help="step of the model, if not that of the best")
    parser.add_argument("--note", default="", help="what else to know of the training")
    args = parser.parse_args()
    utterances = read_data_dir(args.data)
    sections = [
        for_programs(utterances),
        introduction(args.model),
        scores(args.model, args.results),
        speed(args.results),
        usage(args.results),
        training(args.experiment, args.command, args.kept, args.note),
        data(utterances),
    ]
    print("\n\n".join(sections))


def for_programs(utterances: list[Utterance]) -> str:
    """What `codec model list` and the Hugging Face hub read."""
    return f"""---
license: mit
library_name: audiocodec
tags: [audio, speech, neural-audio-codec]
training_data: {amount(utterances)} of speech free for any use; see Data below
---"""


def amount(utterances: list[Utterance]) -> str:
    seconds = sum(u.num_samples / (u.sample_rate or 24_000) for u in utterances)
    return f"{seconds / 3600:.1f} h, {len({u.speaker for u in utterances})} speakers"


def introduction(folder: Path) -> str:
    codec = load_codec(folder)
    size = (folder / "codec.safetensors").stat().st_size / 1e6
    sizes = " and ".join(
        f"{codec.codebook_sizes.count(size)} of {size}"
        for size in sorted(set(codec.codebook_sizes))
    )
    return f"""# {codec.name}

A codec for speech at {codec.sample_rate} Hz, mono: {codec.frame_rate:g} frames/s, codebooks
({sizes} codes), {codec.bitrate(1):g} to {codec.bitrate():g} bit/s by the number of quantizers.
{sum(p.numel() for p in codec.parameters()) / 1e6:.1f} M parameters, {size:.1f} MB. Causal and
streamable; algorithmic latency {codec.latency_samples} samples
({1000 * codec.latency_samples / codec.sample_rate:.0f} ms). Weights: `{codec.weight_hash}`.

For speech: music and other sounds were not trained on. Written by `egs/speech/local/card.py`."""


def scores(folder: Path, results: Path) -> str:
    codec = load_codec(folder)
    folders = sorted(
        (p for p in results.iterdir() if p.name.isdecimal()), key=lambda p: int(p.name)
    )
    summaries = {int(path.name): read_json(path / "summary.json") for path in folders}
    tables = [table_of_scores(codec, summaries, names) for names in (FIDELITY, VOICE)]
    tables = "\n\n".join(text for text in tables if text)
    return f"""## Scores

Real speech that the model never saw, full-band reference at 24 kHz, mean and 95 % interval:
{max(summary["n_utterances"] for summary in summaries.values())} utterances of LibriTTS, VCTK and 13
languages of NabuCasa's voice data sets. Harmonic correlation is 1 at best and about 0 for a buzz;
tonal lines, in dB above the original's, are heard from 3 on.

{tables}"""


def table_of_scores(
    codec: Codec, summaries: dict[int, dict[str, Any]], names: tuple[str, ...]
) -> str:
    """A row each number of quantizers, a column each of the `names` that were scored."""
    scored = {name for summary in summaries.values() for name in summary["metrics"]}
    names = tuple(name for name in names if name in scored)
    if not names:
        return ""
    lines = [f"| quantizers | kbit/s | {' | '.join(names)} | scored | failed |"]
    lines.append("|---" * (len(names) + 4) + "|")
    for stages, summary in summaries.items():
        found = [summary["metrics"].get(name) for name in names]
        cells = [interval(metric) if metric else "" for metric in found]
        scored_by = [metric["n_ok"] for metric in found if metric]
        fewest = min(scored_by, default=0)
        rate = f"{codec.bitrate(stages) / 1000:g}"
        counts = f"{fewest} | {summary['n_utterances'] - fewest}"
        lines.append(f"| {stages} | {rate} | {' | '.join(cells)} | {counts} |")
    return "\n".join(lines)


def interval(metric: dict[str, float]) -> str:
    return f"{metric['mean']:.3f} ({metric['ci_low']:.3f} to {metric['ci_high']:.3f})"


def speed(results: Path) -> str:
    bench = read_json(results / "bench.json")
    threads, times = next(iter(bench["times_real_time"].items()))
    macs = sum(bench["gmacs_per_second_of_audio"].values())
    threads = "one thread" if threads == "1 threads" else threads
    return f"""## Speed

Encode and decode: {times["encode_and_decode"]:.0f} times real time on {threads}
({bench["environment"]["processor"]}, runtime {bench["runtime"]}), warm.
{macs:.2f} G multiply-accumulates a second of audio."""


def training(experiment: Path, command: str, kept: int | None, note: str) -> str:
    config = load_config(TrainConfig, experiment / "config.yaml")
    lines = [json.loads(line) for line in (experiment / "log.jsonl").read_text().splitlines()]
    gaps = [after["time"] - before["time"] for before, after in itertools.pairwise(lines)]
    hours = sum(gap for gap in gaps if gap < PAUSE) / 3600
    steps = max(line["step"] for line in lines)
    valid = [line for line in lines if "valid/pesq" in line]
    first = [line for line in lines if line["step"] <= FIRST_STEPS and "mel" in line]
    losses = "; ".join(f"{line['step']}: {line['mel']:.6g}" for line in first)
    best = max(valid, key=lambda line: value_of(line, config.best))
    own = best if kept is None else next(line for line in valid if line["step"] == kept)
    heard = steps * config.batch_size * config.crops.seconds / 3600
    return f"""## Training

`{command}` in `egs/speech`, commit {commit()}, seed {config.seed}: {steps} steps of
{config.batch_size} crops of {config.crops.seconds:g} s ({heard:.1f} h of audio heard) in
{hours:.1f} h on {environment()["processor"]}, {environment()["cores"]} cores. Step {own["step"]}
is kept, with {validated(own)} on held-out speakers of the training data. The best of
{len(valid)} validations by the measure `{config.best}` was step {best["step"]}, with
{validated(best)}.

The same command on the same data should give in `log.jsonl`, as the mean mel loss up to
step, {losses} (the last digits depend on processor and threads).

{note}""".strip()


def value_of(line: dict[str, float], best: Best) -> float:
    """What the trainer made of a validation's line of the log."""
    value = quality({k.removeprefix("valid/"): v for k, v in line.items()}, best)
    return -math.inf if value is None else value


def validated(line: dict[str, float]) -> str:
    titles = {
        "pesq": "PESQ", "stoi": "STOI", "dnsmos": "DNSMOS",
        "harmonic_correlation": "harmonic correlation", "tonal_lines": "tonal lines",
    }  # fmt: skip
    found = {title: line.get(f"valid/{name}") for name, title in titles.items()}
    return ", ".join(f"{title} {value:.3f}" for title, value in found.items() if value is not None)


def usage(results: Path) -> str:
    unseen, trained, *_ = read_json(results / "usage.json")["sets"].values()
    titles = [f"{name}: used | perplexity" for name in ("unseen", "training")]
    lines = [f"| stage | {' | '.join(titles)} |", "|---" * 5 + "|"]
    for number, stages in enumerate(zip(unseen["stages"], trained["stages"], strict=True), 1):
        cells = [f"{stage['share']:.1%} | {stage['perplexity']:.0f}" for stage in stages]
        lines.append(f"| {number} | {' | '.join(cells)} |")
    frames, rates = (
        [format(counts[key], ",.0f") for counts in (unseen, trained)]
        for key in ("frames", "entropy_bitrate")
    )
    table = "\n".join(lines)
    return f"""## Usage

Shares of the codes of each codebook in {frames[0]} frames of the speech scored above and in
{frames[1]} frames of the training speech. A code for its own stage's frequencies would need
{rates[0]} and {rates[1]} bit/s.

{table}"""


def data(utterances: list[Utterance]) -> str:
    hours: dict[str, float] = defaultdict(float)
    speakers: dict[str, set[str]] = defaultdict(set)
    for utterance in utterances:
        source = utterance.speaker.split("-")[0]
        hours[source] += utterance.num_samples / (utterance.sample_rate or 24_000) / 3600
        speakers[source].add(utterance.speaker)
    rows = [
        f"| {source} | {60 * hours[source]:.0f} min | {len(speakers[source])} | {SOURCES[source]} |"
        for source in sorted(hours, key=lambda name: -hours[name])
    ]
    table = "\n".join(["| source | length | speakers | licence |", "|---|---|---|---|", *rows])
    return f"""## Data

{amount(utterances)}; only recordings whose licence allows any use.

{table}

`codec demo` plays two recordings that are not among these: NabuCasa/voice-datasets, `en_US/joe` and
`it_IT/paola`, CC0 1.0. They are among the utterances scored above."""


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
