"""`codec pack`: code files to the compact container, without loss."""

import argparse

from audiocodec.cli import arguments
from audiocodec.cli.convert import convert


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec pack`."""
    arguments.add_path_arguments(parser, "code", "packed")


def run(args: argparse.Namespace) -> None:
    """Convert `.npy` code files to `.codec`."""
    convert(args, ".npy", ".codec")
