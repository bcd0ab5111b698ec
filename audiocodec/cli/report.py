"""`codec report`: one page about evaluations, or about trainings, to open in any browser."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from audiocodec.cli.arguments import add_examples
from audiocodec.errors import DataError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec report`."""
    parser.add_argument(
        "folders",
        type=Path,
        nargs="+",
        metavar="DIR",
        help="outputs of codec evaluate, or outputs of codec train",
    )
    parser.add_argument(
        "--output",
        type=Path,
        metavar="HTML",
        help="default: report.html in the folder around all evaluations; curves.html, with the "
        "picture curves.png beside it, in the last training",
    )
    add_examples(
        parser,
        "codec report evaluations/base evaluations/large --output report.html",
        "codec report exp/base exp/large",
    )


def run(args: argparse.Namespace) -> None:
    """Write the page and print where it is."""
    from audiocodec.training.run_log import LOG_FILE

    trainings = [(folder / LOG_FILE).is_file() for folder in args.folders]
    if all(trainings):
        _report_trainings(args.folders, args.output or args.folders[-1] / "curves.html")
    elif any(trainings):
        names = [str(f) for f, training in zip(args.folders, trainings, strict=True) if training]
        raise DataError(f"{', '.join(names)}: a training; evaluations need a report of their own")
    else:
        common = Path(os.path.commonpath(args.folders))
        _report_evaluations(args.folders, args.output or common / "report.html")


def _report_evaluations(folders: Sequence[Path], page: Path) -> None:
    from audiocodec.evaluation.report import write_report

    write_report(folders, page)
    print(page)


def _report_trainings(folders: Sequence[Path], page: Path) -> None:
    from audiocodec.training.curves import write_curves

    picture = page.with_suffix(".png")
    write_curves(folders, picture, page)
    print(picture)
    print(page)
