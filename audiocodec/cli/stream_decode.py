"""`codec stream decode`: a stream of codes on stdin to raw samples on stdout, as they come."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

import numpy as np

from audiocodec.cli import arguments
from audiocodec.containers.pcm import PCM_FORMATS, pcm_bytes
from audiocodec.containers.stream import read_header, read_packets
from audiocodec.errors import CodeFileError, ConfigError

if TYPE_CHECKING:
    from audiocodec.models.base import AnyCodec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec stream decode`."""
    arguments.add_model_arguments(parser)
    arguments.add_runtime_argument(parser)
    arguments.add_stream_arguments(parser, PCM_FORMATS)
    arguments.add_examples(
        parser, "codec stream decode < talk.codes | ffplay -f s16le -ch_layout mono -ar 24000 -"
    )


def run(args: argparse.Namespace) -> None:
    """Decode until the end mark; at damage, what came before it has been written."""
    if sys.stdout.isatty():
        raise ConfigError("samples are binary; send stdout to a file or a player")
    codec = arguments.load_model(args)
    with codec.threads(args.threads):
        _decode(codec, args.sample_format)


def _decode(codec: "AnyCodec", sample_format: str) -> None:
    from audiocodec.models.inputs import plain
    from audiocodec.models.streaming import StreamDecoder
    from audiocodec.models.transcoder import Transcoder

    def write(samples: Any) -> None:
        sys.stdout.buffer.write(pcm_bytes(np.asarray(plain(samples)), sample_format))
        sys.stdout.buffer.flush()

    decoder = StreamDecoder(codec)
    try:
        header = read_header(sys.stdin.buffer)
        Transcoder(codec).check(header, "the stream")
        for codes, num_samples in read_packets(sys.stdin.buffer, header):
            write(decoder.push(codes, num_samples))
    except CodeFileError as error:
        raise CodeFileError(f"standard input: {error}") from None
    finally:
        write(decoder.flush())
