"""`codec verify`: read code files whole and check every checksum, length and code."""

import argparse

from audiocodec.cli.arguments import add_examples, add_model_argument
from audiocodec.codes import CODE_SUFFIXES, read_codes
from audiocodec.errors import CodecError, ConfigError
from audiocodec.pipeline.models import load_tables
from audiocodec.pipeline.paths import Item, found
from audiocodec.pipeline.progress import Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec verify`."""
    parser.add_argument("inputs", nargs="+", metavar="IN", help="code file, folder or list (*.scp)")
    add_model_argument(parser)
    add_examples(parser, "codec verify codes/")


def run(args: argparse.Namespace) -> None:
    """Report every file that cannot be trusted."""
    files = [pair for given in args.inputs for pair in found(given, CODE_SUFFIXES)]
    if not files:
        raise ConfigError(f"{', '.join(args.inputs)}: no {' '.join(CODE_SUFFIXES)} file there")
    tables = load_tables(args.model)
    if len(files) == 1:
        read_codes(files[0][1], tables)
        return
    progress = Progress(len(files), skipped=0)
    for name, path in files:
        try:
            progress.add(read_codes(path, tables).metadata.duration)
        except CodecError as error:
            progress.fail(Item(name, path, path), error)
    progress.finish()
