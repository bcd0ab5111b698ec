"""`codec encode`: audio files to code files."""

import argparse

from audiocodec.cli import arguments
from audiocodec.codes import CODE_SUFFIXES
from audiocodec.containers.shards import FORMATS
from audiocodec.pipeline.encode import encode_files
from audiocodec.pipeline.options import EncodeOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec encode`."""
    arguments.add_path_arguments(parser, "audio", "codes")
    arguments.add_model_arguments(parser)
    arguments.add_runtime_argument(parser)
    arguments.add_batch_arguments(parser)
    parser.add_argument(
        "--num-quantizers",
        type=arguments.positive,
        metavar="N",
        help="codebooks to use: fewer give a lower bitrate (default: all)",
    )
    arguments.add_beams_argument(parser)
    parser.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in CODE_SUFFIXES] + list(FORMATS),
        help="of the files in a folder (default: npy), or of shards to train language models on "
        "(default with --engine ray: parquet)",
    )
    arguments.add_shard_arguments(parser)
    _add_cluster_arguments(parser)
    arguments.add_entropy_argument(parser)
    arguments.add_sound_arguments(parser)
    parser.add_argument(
        "--run-commands",
        action="store_true",
        help="run the entries of a list that are shell commands ('... |'); if you trust it",
    )
    parser.add_argument(
        "--part",
        type=arguments.positive,
        metavar="K",
        help="do one part of the inputs, numbered from 1; the other jobs of an array do the others",
    )
    parser.add_argument(
        "--of", type=arguments.positive, metavar="N", help="how many parts there are"
    )
    arguments.add_examples(
        parser,
        "codec encode speech.wav speech.npy",
        "codec encode corpus/ codes/ --format codec --entropy --jobs 4",
        "codec encode corpus/ shards/ --format parquet --device cuda",
        "codec encode corpus/ codes/ --part 3 --of 100",
        "codec encode s3://speech/raw/ s3://speech/codes/ --engine ray --address auto --actors 64",
    )


def _add_cluster_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--shard-hours",
        type=float,
        metavar="H",
        help="of audio in a shard, if the source says how long its utterances are",
    )
    arguments.add_engine_arguments(parser)
    parser.add_argument(
        "--actors",
        type=arguments.positive,
        metavar="N",
        help="processes with a model each (default: as many as the cluster has room for)",
    )
    parser.add_argument(
        "--gpus-per-actor",
        type=float,
        default=0,
        metavar="G",
        help="may be a part of one, such as 0.5 (default: 0, encode on CPUs)",
    )


def run(args: argparse.Namespace) -> None:
    """Encode everything that the arguments name."""
    inputs, output = arguments.paths(args)
    if args.format is None:
        args.format = "parquet" if args.engine == "ray" else "npy"
    options = arguments.options(EncodeOptions, args)
    encode_files(inputs, output, args.model, args.device, options)
