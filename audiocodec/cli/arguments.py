"""Arguments that several commands share."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.channels import Channel
from audiocodec.entropy.model import TABLES_FILE, EntropyTables, read_tables
from audiocodec.environment import available_cores
from audiocodec.models.folders import DEFAULT_MODEL, model_folder, shipped_models

if TYPE_CHECKING:
    from audiocodec.models.codec import Codec


def add_path_arguments(parser: argparse.ArgumentParser, kind: str, output: str) -> None:
    """The positional arguments and options of every batch command."""
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help=f"{kind} file, folder, list (*.scp) or - (stdin)"
    )
    parser.add_argument("output", metavar="OUT", help=f"{output} file, folder or - (stdout)")
    parser.add_argument(
        "--skip-existing", action="store_true", help="leave outputs that exist as they are"
    )
    parser.add_argument(
        "--jobs", type=positive, default=2, metavar="N", help="threads that read and write files"
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="write what became of each input there, as lines of JSON",
    )


def add_shard_arguments(parser: argparse.ArgumentParser) -> None:
    """How utterances are put together in shards."""
    parser.add_argument("--utt2spk", metavar="FILE", help="speakers by id, of a data directory")
    parser.add_argument(
        "--utterances", type=positive, default=5000, metavar="N", help="in a shard (default: 5000)"
    )


def add_batch_arguments(parser: argparse.ArgumentParser) -> None:
    """How a model runs over many files."""
    parser.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="CPU threads of the model (default: all cores)",
    )
    parser.add_argument(
        "--batch-seconds",
        type=float,
        metavar="S",
        help="audio to run at once (default: on the CPU what suits it, elsewhere 600)",
    )


def workers(args: argparse.Namespace, single: bool) -> int:
    """How many files the model works on at once; divides the CPU threads among them.

    The threads of one file wait for one another in every layer, those of several files never.
    """
    if single or args.device != "cpu":
        set_threads(args.threads)
        return 1
    set_threads(1)
    return int(args.threads or available_cores())


def batch_seconds(args: argparse.Namespace, cpu: Callable[[], float] = lambda: 0) -> float:
    """Seconds of audio to run at once, 0 for one file; `cpu` finds the default there."""
    if args.batch_seconds is not None:
        return float(args.batch_seconds)
    return cpu() if args.device == "cpu" else 600


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Which model."""
    parser.add_argument(
        "--model",
        metavar="M",
        help="a name that `codec models` lists, a model folder, or owner/name[@revision] on the "
        "Hugging Face hub (default: the shipped model)",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, and where it runs."""
    add_model_argument(parser)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: cpu)")


def add_stream_arguments(parser: argparse.ArgumentParser, formats: Iterable[str]) -> None:
    """How raw samples come and go."""
    parser.add_argument(
        "--format",
        choices=list(formats),
        default="s16le",
        help="of the samples, one channel at the model's rate (default: s16le)",
    )
    parser.add_argument(
        "--threads", type=positive, default=1, metavar="N", help="CPU threads (default: 1)"
    )


def add_truncated_argument(parser: argparse.ArgumentParser) -> None:
    """Whether audio files that are not whole are taken."""
    parser.add_argument(
        "--allow-truncated",
        action="store_true",
        help="take audio that was cut short as far as it goes, with a warning, instead of an error",
    )


def add_sound_arguments(parser: argparse.ArgumentParser) -> None:
    """What is read of an audio file."""
    parser.add_argument(
        "--channel",
        type=channel,
        default="mix",
        metavar="N|mix|each",
        help="code one channel, numbered from 0, the mean of all, or every one (default: mix)",
    )
    parser.add_argument(
        "--keep-channels",
        dest="channel",
        action="store_const",
        const="each",
        help="the same as --channel each",
    )
    add_truncated_argument(parser)


def channel(text: str) -> Channel:
    """An argparse type: a channel's number, mix or each."""
    if text.isdecimal():
        return int(text)
    match text:
        case "mix":
            return "mix"
        case "each":
            return "each"
    raise argparse.ArgumentTypeError(f"{text!r} is no channel: give 0, 1, ..., mix or each")


def positive(text: str) -> int:
    """An argparse type: a whole number of 1 or more."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def not_negative(text: str) -> int:
    """An argparse type: a whole number of 0 or more."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


def load_model(args: argparse.Namespace) -> "Codec":
    """The model that the arguments of `add_model_arguments` name; imports torch."""
    from audiocodec.models.bundle import load_codec

    return load_codec(args.model or DEFAULT_MODEL, args.device)


def add_entropy_argument(parser: argparse.ArgumentParser) -> None:
    """Whether `.codec` files are entropy coded."""
    parser.add_argument(
        "--entropy",
        action="store_true",
        help="make .codec files smaller with the model's tables, which readers then need, too",
    )


def load_tables(model: str | None, *, required: bool = False) -> EntropyTables | None:
    """The entropy tables of a model; None if it has none or no model is there by default.

    Raises:
        ModelError: the model was named and is missing, or tables are `required`.
    """
    if model is None and not required and DEFAULT_MODEL not in shipped_models():
        return None
    folder = model_folder(model or DEFAULT_MODEL)
    return read_tables(folder) if required or (folder / TABLES_FILE).is_file() else None


def set_threads(threads: int | None) -> None:
    """How many CPU threads torch may use; None leaves its default, all cores."""
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
