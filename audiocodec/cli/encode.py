"""`codec encode`: audio files to code files."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.cli import arguments, batch
from audiocodec.cli.paths import STANDARD, Item, input_file, output_file, plan
from audiocodec.codes import CODE_SUFFIXES, Coded, write_codes
from audiocodec.errors import ConfigError

if TYPE_CHECKING:
    from audiocodec.models.chunking import LongSound
    from audiocodec.models.transcoder import Sound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec encode`."""
    arguments.add_path_arguments(parser, "audio", "code")
    arguments.add_model_arguments(parser)
    arguments.add_batch_arguments(parser)
    parser.add_argument(
        "--num-quantizers",
        type=arguments.positive,
        metavar="N",
        help="stages to keep (default: all)",
    )
    parser.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in CODE_SUFFIXES],
        default="npy",
        help="of the files in a folder (default: npy)",
    )
    arguments.add_entropy_argument(parser)
    parser.add_argument(
        "--keep-channels", action="store_true", help="code every channel; default: mix them down"
    )


def run(args: argparse.Namespace) -> None:
    """Encode everything that the arguments name."""
    todo = plan(args.inputs, args.output, AUDIO_SUFFIXES, f".{args.format}", "codes.scp")
    for item in todo.items[: todo.single]:
        if str(item.target) != STANDARD and item.target.suffix not in CODE_SUFFIXES:
            raise ConfigError(f"{item.target}: a code file ends in {' or '.join(CODE_SUFFIXES)}")
    tables = arguments.load_tables(args.model, required=True) if args.entropy else None
    from audiocodec.models.transcoder import Transcoder  # torch takes seconds to load

    workers = arguments.workers(args, todo.single)
    transcoder = Transcoder(arguments.load_model(args))
    transcoder.codec.bitrate(args.num_quantizers)  # refuses more stages than the model has
    transcoder.codec.exact_encoder()  # made once, before threads share it

    def load(item: Item) -> "Sound | LongSound":
        with input_file(item.source) as path:
            return transcoder.read(path, args.keep_channels)

    def compute(sounds: Sequence["Sound | LongSound"]) -> Sequence[Coded]:
        return transcoder.encode(sounds, args.num_quantizers, args.keep_channels)

    def save(item: Item, coded: Coded) -> None:
        with output_file(item.target, f".{args.format}") as path:
            write_codes(path, coded.codes, coded.metadata, tables)

    pipeline = batch.Pipeline(
        load, compute, save, lambda sound: sound.duration, transcoder.stopped.set
    )
    batch.run(todo, pipeline, args, arguments.batch_seconds(args), workers)
