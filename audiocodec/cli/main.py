"""`codec COMMAND ...`: parse, call, print. Commands live one a file and are imported when used."""

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence

from audiocodec._version import __version__
from audiocodec.errors import CodecError

COMMANDS = {
    "encode": "audio files to code files",
    "decode": "code files to audio files",
    "stream-encode": "raw samples on stdin to a stream of codes on stdout",
    "stream-decode": "a stream of codes on stdin to raw samples on stdout",
    "pack": "code files to the compact container",
    "unpack": "the compact container back to plain code files",
    "verify": "check code files whole",
    "shard": "code files of a corpus to Parquet or WebDataset, to train language models on",
    "fit-entropy": "give a model tables that make its packed codes smaller",
    "models": "list the models on this machine",
    "info": "describe a model, a code file or an audio file",
    "evaluate": "score degraded audio against its reference",
    "compare": "compare evaluations of several systems on the same utterances",
    "report": "write one page about evaluations",
    "listen": "write one page to hear recordings beside what a model makes of them",
    "train": "train a codec",
    "plot": "draw the curves of trainings",
    "import-simvq": "make a model of a published SimVQ checkpoint",
    "export": "write a model folder to release",
    "prepare-data": "data directories from audio as it lies on disk",
    "validate-data": "check data directories and their audio",
    "usage": "count how much of its codebooks a model uses",
    "bench": "measure a model's speed on this machine",
    "demo": "encode, decode, measure and draw a shipped utterance",
}


def _module(command: str) -> str:
    return f"audiocodec.cli.{command.replace('-', '_')}"


def build_parser(command: str | None) -> argparse.ArgumentParser:
    """The parser of all commands; only that of `command` has its options, to start fast."""
    parser = argparse.ArgumentParser(
        prog="codec", description="Train, use and measure neural audio codecs."
    )
    parser.add_argument("--version", action="version", version=f"codec {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        sub = subparsers.add_parser(name, help=summary, description=summary.capitalize() + ".")
        if name == command:
            importlib.import_module(_module(name)).add_arguments(sub)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 error, 2 usage, 3 some items failed)."""
    if logging.lastResort is not None:  # writes what no command has sent elsewhere
        logging.lastResort.setFormatter(logging.Formatter("codec: warning: %(message)s"))
    arguments = list(sys.argv[1:] if argv is None else argv)
    command = next((word for word in arguments if not word.startswith("-")), None)
    args = build_parser(command if command in COMMANDS else None).parse_args(arguments)
    try:
        importlib.import_module(_module(args.command)).run(args)
    except CodecError as error:
        print(f"codec: error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # `codec info ... | head`
        sys.stderr.close()
        return 1
    except KeyboardInterrupt:
        print("codec: interrupted", file=sys.stderr)
        return 130
    return 0
