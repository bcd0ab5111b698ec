"""`codec plot`: the curves of trainings, as a picture and a page."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec plot`."""
    parser.add_argument(
        "experiments", type=Path, nargs="+", metavar="EXP", help="outputs of codec train"
    )
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="for curves.png and .html (default: last EXP)"
    )


def run(args: argparse.Namespace) -> None:
    """Write both and print where they are."""
    from audiocodec.training.curves import write_curves

    folder = args.output or args.experiments[-1]
    picture, page = folder / "curves.png", folder / "curves.html"
    write_curves(args.experiments, picture, page)
    print(picture)
    print(page)
