"""`codec demo`: encode, decode, measure and draw clips, and a page to hear them."""

import argparse
from pathlib import Path

from audiocodec.cli.arguments import (
    add_beams_argument,
    add_examples,
    add_model_arguments,
    add_runtime_argument,
    load_model,
    positive,
)
from audiocodec.cli.output import print_report
from audiocodec.data.samples import demo_speech


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec demo`."""
    add_model_arguments(parser)
    add_runtime_argument(parser)
    parser.add_argument(
        "--audio", metavar="FILE", help="default: the shipped clips, of real and synthetic voices"
    )
    parser.add_argument("--output", default="demo", metavar="DIR", help="default: demo")
    parser.add_argument(
        "--num-quantizers", type=positive, metavar="N", help="at most this many (default: all)"
    )
    add_beams_argument(parser)
    add_examples(parser, "codec demo", "codec demo --audio speech.wav --output demo")


def run(args: argparse.Namespace) -> None:
    """Write originals, codes, decoded speech at each rate, picture and page; print the figures."""
    from audiocodec.models.transcoder import Transcoder
    from audiocodec.pipeline.demo import write_demo

    sources = [Path(args.audio)] if args.audio else demo_speech()
    transcoder = Transcoder(load_model(args))
    print_report(
        write_demo(transcoder, sources, Path(args.output), args.num_quantizers), as_json=False
    )
