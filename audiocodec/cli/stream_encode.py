"""`codec stream encode`: raw samples on stdin to a stream of codes on stdout, as they come."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from audiocodec.cli import arguments
from audiocodec.containers.pcm import PCM_FORMATS, read_pcm
from audiocodec.containers.stream import StreamHeader, StreamWriter
from audiocodec.errors import ConfigError

if TYPE_CHECKING:
    from audiocodec.models.streaming import StreamEncoder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec stream encode`."""
    arguments.add_model_arguments(parser)
    arguments.add_runtime_argument(parser)
    arguments.add_stream_arguments(parser, PCM_FORMATS)
    parser.add_argument(
        "--num-quantizers",
        type=arguments.positive,
        metavar="N",
        help="codebooks to use: fewer give a lower bitrate (default: all)",
    )
    arguments.add_beams_argument(parser)
    arguments.add_examples(
        parser,
        "ffmpeg -i talk.mp3 -f s16le -ac 1 -ar 24000 - | codec stream encode > talk.codes",
    )


def run(args: argparse.Namespace) -> None:
    """Encode until stdin ends."""
    if sys.stdout.isatty():
        raise ConfigError("codes are binary; send stdout to a file or a pipe")
    from audiocodec.models.streaming import StreamEncoder  # torch takes seconds to load

    codec = arguments.load_model(args)
    with codec.threads(args.threads):
        _encode(StreamEncoder(codec, args.num_quantizers), args.sample_format)


def _encode(encoder: "StreamEncoder[Any]", sample_format: str) -> None:
    from audiocodec.models.inputs import plain

    codec = encoder.codec
    header = StreamHeader(
        model=codec.name,
        model_hash=codec.weight_hash,
        sample_rate=codec.sample_rate,
        hop_length=codec.hop_length,
        codebook_sizes=codec.codebook_sizes[: encoder.num_quantizers],
    )
    writer = StreamWriter(sys.stdout.buffer, header)
    received = 0
    for samples in read_pcm(sys.stdin.buffer, sample_format):
        received += len(samples)
        codes = np.asarray(plain(encoder.push(samples)))
        writer.write(codes, codes.shape[1] * codec.hop_length)
    writer.write(np.asarray(plain(encoder.flush())), received % codec.hop_length)
    writer.end()
