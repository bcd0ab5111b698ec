"""`codec decode`: code files to audio files of exactly the encoded length and sample rate."""

import argparse

from audiocodec.cli import arguments
from audiocodec.pipeline.decode import FORMATS, decode_files
from audiocodec.pipeline.options import DecodeOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec decode`."""
    arguments.add_path_arguments(parser, "code", "audio")
    arguments.add_model_arguments(parser)
    arguments.add_runtime_argument(parser)
    arguments.add_batch_arguments(parser)
    parser.add_argument(
        "--format", choices=FORMATS, default="wav", help="of the files in a folder (default: wav)"
    )
    arguments.add_examples(
        parser,
        "codec decode speech.npy speech.wav",
        "codec decode codes/ decoded/ --format flac",
        "codec decode shards/ decoded/",
    )


def run(args: argparse.Namespace) -> None:
    """Decode everything that the arguments name."""
    inputs, output = arguments.paths(args)
    options = arguments.options(DecodeOptions, args)
    decode_files(inputs, output, args.model, args.device, options)
