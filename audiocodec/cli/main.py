"""`codec COMMAND ...`: parse, call, print. Commands live one a file and are imported when used."""

import argparse
import contextlib
import importlib
import io
import logging
import os
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from audiocodec._version import __version__
from audiocodec.cli.spellings import current
from audiocodec.errors import CodecError
from audiocodec.extras import torch_named

log = logging.getLogger(__name__)

SECTIONS: dict[str, dict[str, str]] = {  # as `codec --help` lists them
    "Audio and codes": {
        "encode": "audio files to code files",
        "decode": "code files to audio files",
        "info": "describe a model, a code file or an audio file",
        "verify": "check code files in full",
        "convert": "code files to another format, or to shards for training language models",
    },
    "Streams": {
        "stream encode": "raw samples on stdin to a stream of codes on stdout",
        "stream decode": "a stream of codes on stdin to raw samples on stdout",
    },
    "Training and evaluation": {
        "data prepare": "write data directories for audio as it lies on disk",
        "data validate": "check data directories and their audio",
        "data shard": "write the audio of a data directory to tar or Parquet files to train on",
        "train": "train a codec",
        "evaluate": "score degraded audio, or a model, against the reference",
        "compare": "compare evaluations of several systems on the same utterances",
        "report": "write one page about evaluations, or about trainings",
        "listen": "write one page to hear recordings beside what a model makes of them",
        "page": "write a folder for a web site where a model runs in the browser",
    },
    "Models": {
        "model list": "list the models on this machine",
        "model export": "write a model folder to release",
        "model import": "make a model of a published SimVQ checkpoint",
        "model usage": "count how much of its codebooks a model uses",
        "model fit-entropy": "give a model the entropy tables that make its packed codes smaller",
    },
    "This machine": {
        "bench": "measure how fast a model runs",
        "demo": "encode, decode, measure and draw a shipped recording",
        "completion": "print a script that completes commands in a shell",
    },
}
COMMANDS = {name: text for section in SECTIONS.values() for name, text in section.items()}
GROUPS = {
    "stream": "encode or decode audio while it arrives",
    "data": "prepare and check data to train on",
    "model": "list, exchange and examine models",
}
EXAMPLES = """\
Examples
  codec encode speech.wav speech.npy
  codec decode speech.npy decoded.wav
  codec encode corpus/ codes/ --format codec --jobs 4
  codec evaluate --reference corpus/ --model speech_24k --output evaluation/

codec COMMAND --help shows the options of a command, with examples."""


def build_parser(*commands: str, listed: bool = False) -> argparse.ArgumentParser:
    """The parser of all commands; only those of `commands` have their options, to start fast.

    Args:
        listed: let argparse list the commands, too, where shell completion looks for them.
    """
    lists = [f"{title}\n{_listed(section)}" for title, section in SECTIONS.items()]
    parser = _parser(
        argparse.ArgumentParser(prog="codec"),
        "Train, use and measure neural audio codecs.",
        "\n\n".join([*lists, EXAMPLES]),
    )
    parser.add_argument("--version", action="version", version=f"codec {__version__}")
    subparsers = _commands(parser, "command", listed)
    groups = {}
    for group, summary in GROUPS.items():
        own = {name: text for name, text in COMMANDS.items() if name.startswith(f"{group} ")}
        shown = {"help": summary} if listed else {}
        sub = _parser(
            subparsers.add_parser(group, **shown), f"{summary.capitalize()}.", _listed(own)
        )
        groups[group] = _commands(sub, "subcommand", listed)
    for name, summary in COMMANDS.items():
        group, _, own_name = name.rpartition(" ")
        parent: Any = groups[group] if group else subparsers
        shown = {"help": summary} if listed else {}
        sub = _parser(parent.add_parser(own_name, **shown), f"{summary.capitalize()}.")
        if name in commands:
            importlib.import_module(_module(name)).add_arguments(sub)
    return parser


def _parser(
    parser: argparse.ArgumentParser, description: str, epilog: str | None = None
) -> argparse.ArgumentParser:
    parser.description, parser.epilog = description, epilog
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    return parser


def _commands(parser: argparse.ArgumentParser, name: str, listed: bool) -> Any:
    parser.usage = "%(prog)s COMMAND ..."
    text = None if listed else argparse.SUPPRESS  # the epilog lists them
    return parser.add_subparsers(
        dest=name, metavar="COMMAND", required=True, help=text, prog=parser.prog
    )


def _listed(commands: dict[str, str]) -> str:
    return "\n".join(f"  {name:18} {summary}" for name, summary in commands.items())


def _module(command: str) -> str:
    return f"audiocodec.cli.{command.replace(' ', '_').replace('-', '_')}"


def _drop_output() -> None:
    """Let what stdout could not take, since it is full, not be tried again at the exit."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 error, 2 usage, 3 some items failed)."""
    if logging.lastResort is not None:  # writes what no command has sent elsewhere
        logging.lastResort.setFormatter(logging.Formatter("codec: warning: %(message)s"))
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = current(given)
    if arguments != given:
        log.warning("codec %s is now called codec %s", *map(shlex.join, (given, arguments)))
    words = [word for word in arguments if not word.startswith("-")]
    command = " ".join(words[: 2 if words[:1] and words[0] in GROUPS else 1])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # file names need not be text
    args = build_parser(command).parse_args(arguments)
    try:
        with torch_named({"train": "train", "evaluate": "eval"}.get(command, "torch")):
            importlib.import_module(_module(command)).run(args)
        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.flush()  # here, where a full disk is an error in one line
    except CodecError as error:
        print(f"codec: error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # `codec info ... | head`
        sys.stderr.close()
        return 1
    except OSError as error:  # a full disk, a name that is too long, ... met outside of files.py
        _drop_output()
        where = (
            f"{os.fsdecode(error.filename)}: " if isinstance(error.filename, str | bytes) else ""
        )
        print(f"codec: error: {where}{error.strerror or error}", file=sys.stderr)
        return 1
    except MemoryError:
        print("codec: error: out of memory; give less at once, or more of it", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("codec: interrupted", file=sys.stderr)
        return 130
    return 0
