"""`codec evaluate`: score degraded audio, of any system, against its reference."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from audiocodec.evaluation.pairs import PairOfFiles


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec evaluate`."""
    side = "a folder of audio, a data directory, a wav.scp or a file"
    parser.add_argument("--reference", "--data", type=Path, required=True, metavar="REF", help=side)
    systems = parser.add_mutually_exclusive_group(required=True)
    systems.add_argument("--degraded", type=Path, metavar="DEG", help=side)
    systems.add_argument("--model", metavar="M", help="encode and decode with this model")
    parser.add_argument("--num-quantizers", type=int, metavar="N", help="of the model")
    parser.add_argument("--device", default="cpu", help="of the model: cpu, cuda, ...")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT")
    parser.add_argument("--metrics", metavar="A,B", help="'all' or names; see docs/evaluation.md")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(args: argparse.Namespace) -> None:
    """Write the results and print the summary.

    Raises:
        PartialFailure: some utterances could not be scored; their rows say why.
    """
    import json

    from audiocodec.errors import PartialFailure
    from audiocodec.evaluation.pairs import pair_files
    from audiocodec.evaluation.report import write_report
    from audiocodec.evaluation.results import as_markdown, write_results

    metrics = _metrics(args.metrics)
    facts: dict[str, Any] = {}
    if args.model:
        args.degraded, facts = _reconstruct(args)
    rows = _score(pair_files(args.reference, args.degraded), metrics, args)
    summary = write_results(args.output, rows, metrics, _stamp(args) | facts)
    write_report([args.output], args.output / "report.html")
    if args.json:
        print(json.dumps(summary, indent=2, ensure_ascii=False))
    else:
        print(as_markdown(summary), end="")
    for row in rows:
        if row["reason"]:
            print(f"codec: {row['id']}: {row['reason']}", file=sys.stderr)
    if summary["n_failed"]:
        raise PartialFailure(
            f"{summary['n_failed']} of {len(rows)} utterances could not be scored; "
            f"see the reasons in {args.output / 'utterances.csv'}"
        )


def _metrics(names: str | None) -> tuple[str, ...]:
    from audiocodec.errors import ConfigError
    from audiocodec.evaluation.metrics import DEFAULT, METRICS

    if names is None:
        return DEFAULT
    chosen = tuple(METRICS) if names == "all" else tuple(names.split(","))
    if unknown := [name for name in chosen if name not in METRICS]:
        raise ConfigError(f"unknown metric {unknown[0]!r}; known metrics: {', '.join(METRICS)}")
    return chosen


def _score(
    pairs: Sequence["PairOfFiles"], metrics: Sequence[str], args: argparse.Namespace
) -> list[dict[str, Any]]:
    from tqdm import tqdm

    from audiocodec.evaluation.scoring import score_pairs

    quiet = not sys.stderr.isatty()
    with tqdm(total=len(pairs), unit="pair", leave=False, disable=quiet) as bar:
        return score_pairs(pairs, metrics, args.output / "scores.jsonl", args.jobs, bar.update)


def _stamp(args: argparse.Namespace) -> dict[str, Any]:
    """Everything that can change a number."""
    from audiocodec.audio import RESAMPLER
    from audiocodec.environment import commit, environment
    from audiocodec.evaluation.statistics import RESAMPLES

    return {
        "reference": str(args.reference),
        "degraded": str(args.degraded),
        "resampler": RESAMPLER,
        "rates": "PESQ-wb at 16 kHz, PESQ-nb at 8 kHz, the others at the reference's rate",
        "bootstrap": f"{RESAMPLES} resamples of speakers, seed 0",
        "commit": commit(),
        **environment(),
    }


def _reconstruct(args: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Encode and decode the reference side into OUT/wav; what the model is and how it did."""
    from tqdm import tqdm

    from audiocodec.errors import AudioError, ConfigError
    from audiocodec.evaluation.pairs import pair_files
    from audiocodec.models.bundle import load_codec
    from audiocodec.models.roundtrip import RoundTrip

    if args.output.resolve() in (args.reference.resolve(), *args.reference.resolve().parents):
        raise ConfigError(f"{args.output}: the output would hold the reference; choose another")
    folder = args.output / "wav"
    trip = RoundTrip(load_codec(args.model, args.device), args.num_quantizers)
    pairs = pair_files(args.reference, args.reference)
    for pair in tqdm(pairs, unit="file", leave=False, disable=not sys.stderr.isatty()):
        if pair.problem or pair.reference is None:
            continue
        try:
            trip.write(pair.reference, folder / f"{pair.id}.wav")
        except AudioError as error:  # scoring will find no degraded file and say so, too
            print(f"codec: error: {error}", file=sys.stderr)
    return folder, trip.facts()
