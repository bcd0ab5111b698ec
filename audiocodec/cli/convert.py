"""`codec convert`: code files from one format to another, or to shards, without loss."""

import argparse

from audiocodec.cli import arguments
from audiocodec.codes import CODE_SUFFIXES
from audiocodec.containers.shards import FORMATS
from audiocodec.pipeline.convert import convert_files
from audiocodec.pipeline.options import ConvertOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec convert`."""
    arguments.add_path_arguments(parser, "code", "codes")
    arguments.add_model_argument(parser)
    parser.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in CODE_SUFFIXES] + list(FORMATS),
        default="npy",
        help="of the files in a folder (default: npy), or of shards to train language models on",
    )
    arguments.add_entropy_argument(parser)
    arguments.add_shard_arguments(parser)
    arguments.add_examples(
        parser,
        "codec convert speech.npy speech.codec --entropy",
        "codec convert codes/ packed/ --format codec",
        "codec convert codes/ shards/ --format webdataset --shard-size 10000",
        "codec convert shards/ codes/",
    )


def run(args: argparse.Namespace) -> None:
    """Convert everything that the arguments name."""
    inputs, output = arguments.paths(args)
    convert_files(inputs, output, args.model, arguments.options(ConvertOptions, args))
