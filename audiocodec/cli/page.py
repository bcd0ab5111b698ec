"""`codec page`: a folder for any web space, where a model runs in the visitor's browser."""

import argparse
from pathlib import Path

from audiocodec.cli.arguments import add_examples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec page`."""
    parser.add_argument(
        "model", metavar="MODEL", help="a name that `codec model list` shows, or a model folder"
    )
    parser.add_argument("output", type=Path, metavar="OUT", help="folder to write")
    parser.add_argument(
        "--runtime-files",
        type=Path,
        metavar="DIR",
        help="take onnxruntime-web from this folder (its package's dist), not from the network",
    )
    add_examples(parser, "codec page speech_24k page/", "python -m http.server --directory page/")


def run(args: argparse.Namespace) -> None:
    """Write the page; say how large it is and how to look at it."""
    from audiocodec.pipeline.web_page import write_web_page

    size = write_web_page(args.model, args.output, args.runtime_files)
    print(
        f"{args.output}: {size / 1e6:.1f} MB; to look at it, "
        f"`python -m http.server --directory {args.output}` and http://localhost:8000"
    )
