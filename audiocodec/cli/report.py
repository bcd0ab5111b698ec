"""`codec report`: one page about evaluations, to open in any browser."""

import argparse
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec report`."""
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="OUT", help="outputs of codec evaluate"
    )
    parser.add_argument(
        "--output", type=Path, metavar="HTML", help="default: report.html in the folder around all"
    )


def run(args: argparse.Namespace) -> None:
    """Write the page and print where it is."""
    from audiocodec.evaluation.report import write_report

    target = args.output or Path(os.path.commonpath(args.folders)) / "report.html"
    write_report(args.folders, target)
    print(target)
