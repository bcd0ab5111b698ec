"""Check that a training did what it is for: its loss fell and its codebooks are used.

    python recipes/check_run.py EXP

Prints both and exits with 1 if one is not so.
"""

import argparse
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

REPORTS = 3  # averaged at either end of the run


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("experiment", type=Path, metavar="EXP")
    parser.add_argument("--loss", default="mel", help="the term of the loss that must fall")
    parser.add_argument("--min-usage", type=float, default=0.5, help="share of codes in each stage")
    args = parser.parse_args()
    first, last = ends(series(args.experiment, args.loss))
    usage = series(args.experiment, "valid/used_min")[-1]
    fell, used = last < first, usage > args.min_usage
    print(f"{args.loss} loss: {first:.3f} at first, {last:.3f} at last: {verdict(fell)}")
    print(
        f"codebooks: the least used stage uses {usage:.1%} of its codes on the validation set "
        f"(more than {args.min_usage:.0%} wanted): {verdict(used)}"
    )
    return 0 if fell and used else 1


def verdict(passed: bool) -> str:
    return "ok" if passed else "FAILED"


def series(experiment: Path, name: str) -> list[float]:
    """The values of one scalar in the order of the run's log; without any, the end."""
    path = experiment / "log.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    values = [report[name] for report in map(json.loads, lines) if name in report]
    if not values:
        raise SystemExit(f"{path}: no {name!r} in it; has the training run?")
    return values


def ends(values: Sequence[float]) -> tuple[float, float]:
    """The mean of the first reports and that of the last, which do not overlap."""
    count = max(1, min(REPORTS, len(values) // 2))
    return statistics.fmean(values[:count]), statistics.fmean(values[-count:])


if __name__ == "__main__":
    raise SystemExit(main())
