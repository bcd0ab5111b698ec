"""`codec listen`: one page to hear recordings beside what a model makes of them."""

import argparse
from pathlib import Path

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.cli.arguments import (
    add_beams_argument,
    add_examples,
    add_model_arguments,
    add_runtime_argument,
    load_model,
    positive,
)
from audiocodec.errors import AudioError
from audiocodec.pipeline.listening import SECONDS, listening_page
from audiocodec.pipeline.paths import found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec listen`."""
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="audio file, folder or list (*.scp)"
    )
    add_model_arguments(parser)
    add_runtime_argument(parser)
    parser.add_argument(
        "--num-quantizers",
        type=positive,
        nargs="+",
        metavar="N",
        help="a player for each N (default: 1, 2, 4, ... and all)",
    )
    add_beams_argument(parser)
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="S", help="of each file (default: 30)"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of the model")
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("listen.html"),
        metavar="HTML",
        help="the page (default: listen.html)",
    )
    add_examples(parser, "codec listen speech.wav --num-quantizers 1 4 --output listen.html")


def run(args: argparse.Namespace) -> None:
    """Write the page; print where it is and how large."""
    from audiocodec.models.transcoder import Transcoder

    paths = [path for given in args.inputs for _, path in found(given, AUDIO_SUFFIXES)]
    if not paths:
        raise AudioError(f"{', '.join(args.inputs)}: no {' '.join(AUDIO_SUFFIXES)} file there")
    transcoder = Transcoder(load_model(args))
    with transcoder.codec.threads(args.threads):
        size = listening_page(transcoder, paths, args.output, args.num_quantizers, args.seconds)
    print(f"{args.output}: {size / 1e6:.1f} MB")
