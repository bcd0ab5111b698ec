"""`codec pack`: code files to the compact container, without loss."""

import argparse

from audiocodec.cli import arguments
from audiocodec.cli.convert import convert


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec pack`."""
    arguments.add_path_arguments(parser, "code", "packed")
    arguments.add_model_argument(parser)
    arguments.add_entropy_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Convert `.npy` and `.npz` code files to `.codec`."""
    tables = arguments.load_tables(args.model, required=True) if args.entropy else None
    convert(args, [".npy", ".npz"], ".codec", tables)
