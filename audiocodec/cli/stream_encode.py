"""`codec stream encode`: raw samples on stdin to a stream of codes on stdout, as they come."""

import argparse
import sys

from audiocodec.cli import arguments
from audiocodec.containers.pcm import PCM_FORMATS, read_pcm
from audiocodec.containers.stream import StreamHeader, StreamWriter
from audiocodec.errors import ConfigError
from audiocodec.pipeline.models import set_threads


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec stream encode`."""
    arguments.add_model_arguments(parser)
    arguments.add_stream_arguments(parser, PCM_FORMATS)
    parser.add_argument(
        "--num-quantizers",
        type=arguments.positive,
        metavar="N",
        help="codebooks to use: fewer give a lower bitrate (default: all)",
    )
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
    set_threads(args.threads)
    encoder = StreamEncoder(codec, args.num_quantizers)
    header = StreamHeader(
        model=codec.name,
        model_hash=codec.weight_hash,
        sample_rate=codec.sample_rate,
        hop_length=codec.hop_length,
        codebook_sizes=codec.codebook_sizes[: encoder.num_quantizers],
    )
    writer = StreamWriter(sys.stdout.buffer, header)
    received = 0
    for samples in read_pcm(sys.stdin.buffer, args.sample_format):
        received += len(samples)
        codes = encoder.push(samples).cpu().numpy()
        writer.write(codes, codes.shape[1] * codec.hop_length)
    writer.write(encoder.flush().cpu().numpy(), received % codec.hop_length)
    writer.end()
