"""`codec stream decode`: a stream of codes on stdin to raw samples on stdout, as they come."""

import argparse
import sys

from audiocodec.cli import arguments
from audiocodec.containers.pcm import PCM_FORMATS, pcm_bytes
from audiocodec.containers.stream import read_header, read_packets
from audiocodec.errors import CodeFileError, ConfigError
from audiocodec.pipeline.models import set_threads


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec stream decode`."""
    arguments.add_model_arguments(parser)
    arguments.add_stream_arguments(parser, PCM_FORMATS)
    arguments.add_examples(
        parser, "codec stream decode < talk.codes | ffplay -f s16le -ch_layout mono -ar 24000 -"
    )


def run(args: argparse.Namespace) -> None:
    """Decode until the end mark; at damage, what came before it has been written."""
    if sys.stdout.isatty():
        raise ConfigError("samples are binary; send stdout to a file or a player")
    from audiocodec.models.streaming import StreamDecoder
    from audiocodec.models.transcoder import Transcoder  # torch takes seconds to load

    codec = arguments.load_model(args)
    set_threads(args.threads)
    decoder = StreamDecoder(codec)
    output = sys.stdout.buffer
    try:
        header = read_header(sys.stdin.buffer)
        Transcoder(codec).check(header, "the stream")
        for codes, num_samples in read_packets(sys.stdin.buffer, header):
            output.write(
                pcm_bytes(decoder.push(codes, num_samples).cpu().numpy(), args.sample_format)
            )
            output.flush()
    except CodeFileError as error:
        raise CodeFileError(f"standard input: {error}") from None
    finally:
        output.write(pcm_bytes(decoder.flush().cpu().numpy(), args.sample_format))
        output.flush()
