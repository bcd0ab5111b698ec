"""`codec unpack`: the compact container back to plain `.npy` code files, without loss."""

import argparse

from audiocodec.cli import arguments
from audiocodec.cli.convert import convert


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec unpack`."""
    arguments.add_path_arguments(parser, "packed", "code")
    arguments.add_model_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Convert `.codec` files to `.npy`."""
    convert(args, [".codec"], ".npy", arguments.load_tables(args.model))
