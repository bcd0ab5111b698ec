"""`codec evaluate`: score degraded audio, of any system, against its reference."""

import argparse
import os
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec evaluate`."""
    side = "a folder of audio, a data directory, a wav.scp or a file"
    parser.add_argument("--reference", type=Path, required=True, help=side)
    parser.add_argument("--degraded", type=Path, required=True, help=side)
    parser.add_argument("--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--metrics", metavar="A,B", help="default: pesq_wb,stoi,estoi,si_sdr")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")


def run(args: argparse.Namespace) -> None:
    """Write the results and print the summary.

    Raises:
        PartialFailure: some utterances could not be scored; their rows say why.
    """
    from tqdm import tqdm

    from audiocodec.audio import RESAMPLER
    from audiocodec.environment import environment
    from audiocodec.errors import ConfigError, PartialFailure
    from audiocodec.evaluation.metrics import DEFAULT, METRICS
    from audiocodec.evaluation.pairs import pair_files
    from audiocodec.evaluation.results import as_markdown, write_results
    from audiocodec.evaluation.scoring import score_pairs

    metrics = tuple(args.metrics.split(",")) if args.metrics else DEFAULT
    if unknown := [name for name in metrics if name not in METRICS]:
        raise ConfigError(f"unknown metric {unknown[0]!r}; known metrics: {', '.join(METRICS)}")
    pairs = pair_files(args.reference, args.degraded)
    quiet = not sys.stderr.isatty()
    with tqdm(total=len(pairs), unit="pair", leave=False, disable=quiet) as bar:
        rows = score_pairs(pairs, metrics, args.output / "scores.jsonl", args.jobs, bar.update)
    stamp = {
        "reference": str(args.reference),
        "degraded": str(args.degraded),
        "resampler": RESAMPLER,
        **environment(),
    }
    summary = write_results(args.output, rows, metrics, stamp)
    if args.json:
        import json

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
