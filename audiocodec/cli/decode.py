"""`codec decode`: code files to audio files of exactly the encoded length and sample rate."""

import argparse
from typing import TYPE_CHECKING

from audiocodec.cli import arguments
from audiocodec.codes import CODE_SUFFIXES, Coded
from audiocodec.errors import ConfigError
from audiocodec.pipeline import batch
from audiocodec.pipeline.paths import STANDARD, Item, input_codes, output_file, plan

if TYPE_CHECKING:
    from audiocodec.models.chunking import LongDecoded
    from audiocodec.models.transcoder import Decoded

_FORMATS = ("wav", "flac", "ogg")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec decode`."""
    arguments.add_path_arguments(parser, "code", "audio")
    arguments.add_model_arguments(parser)
    arguments.add_batch_arguments(parser)
    parser.add_argument(
        "--format", choices=_FORMATS, default="wav", help="of the files in a folder (default: wav)"
    )


def run(args: argparse.Namespace) -> None:
    """Decode everything that the arguments name."""
    todo = plan(args.inputs, args.output, CODE_SUFFIXES, f".{args.format}", "wav.scp")
    for item in todo.items[: todo.single]:
        if str(item.target) != STANDARD and item.target.suffix.lower()[1:] not in _FORMATS:
            raise ConfigError(f"{item.target}: audio can be written as {', '.join(_FORMATS)}")
    tables = arguments.load_tables(args.model)
    from audiocodec.models.transcoder import Transcoder  # torch takes seconds to load

    workers = arguments.workers(args, todo.single)
    transcoder = Transcoder(arguments.load_model(args))

    def load(item: Item) -> Coded:
        coded = input_codes(item.source, tables)
        transcoder.check(coded.metadata, str(item.source))
        return coded

    def save(item: Item, decoded: "Decoded | LongDecoded") -> None:
        with output_file(item.target, f".{args.format}") as path:
            decoded.write(path)

    def seconds(coded: Coded) -> float:
        return coded.metadata.duration

    pipeline = batch.Pipeline(load, transcoder.decode, save, seconds, transcoder.stopped.set)
    batch.run(todo, pipeline, args, arguments.batch_seconds(args), workers)
