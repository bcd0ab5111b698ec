"""Arguments that several commands share."""

import argparse
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from audiocodec.channels import Channel
from audiocodec.errors import ConfigError
from audiocodec.models.folders import DEFAULT_MODEL, RUNTIME_VARIABLE, RUNTIMES
from audiocodec.pipeline import models
from audiocodec.pipeline.options import BatchOptions

if TYPE_CHECKING:
    from audiocodec.models.base import AnyCodec
    from audiocodec.models.codec import Codec


Options = TypeVar("Options", bound=BatchOptions)


def add_path_arguments(parser: argparse.ArgumentParser, kind: str, output: str) -> None:
    """The paths and options of every command that makes one file of each file; see `paths`."""
    parser.usage = "%(prog)s IN [IN ...] OUT [options]"
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="IN",
        help=f"{kind} file, folder, list (*.scp) or - (stdin); the last path is OUT",
    )
    parser.add_argument(
        "--output",
        metavar="OUT",
        help=f"file or folder for the {output}, or - (stdout); then every path is an input",
    )
    parser.add_argument(
        "--skip-existing", action="store_true", help="leave outputs that exist as they are"
    )
    parser.add_argument(
        "--jobs",
        type=positive,
        default=2,
        metavar="N",
        help="files read and written at once (default: 2)",
    )
    parser.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE",
        help="write what became of each input there, as lines of JSON",
    )


def paths(args: argparse.Namespace) -> tuple[list[str], str]:
    """The inputs and the output that the arguments of `add_path_arguments` name."""
    if args.output is not None:
        return args.paths, args.output
    if len(args.paths) < 2:
        raise ConfigError(f"{args.paths[0]}: where to? Give an output after it, or --output")
    return args.paths[:-1], args.paths[-1]


def options(kind: type[Options], args: argparse.Namespace) -> Options:
    """The fields of `kind` that are among the arguments, and progress on stderr."""
    given = vars(args)
    names = [field.name for field in dataclasses.fields(kind) if field.name in given]
    return kind(**{name: given[name] for name in names}, report=True)


def add_examples(parser: argparse.ArgumentParser, *lines: str) -> None:
    """Show uses of the command at the end of its help."""
    parser.epilog = "\n".join(["examples:", *(f"  {line}" for line in lines)])


def add_shard_arguments(parser: argparse.ArgumentParser) -> None:
    """How utterances are put together in shards."""
    parser.add_argument(
        "--utt2spk",
        type=Path,
        metavar="FILE",
        help="speakers by utterance, for shards (default: utt2spk of a data directory)",
    )
    parser.add_argument(
        "--text",
        type=Path,
        metavar="FILE",
        help="texts by utterance, for shards (default: text of a data directory)",
    )
    parser.add_argument(
        "--flatten",
        action="store_true",
        help="one list of codes for each utterance in a shard, frame by frame, not one a stage",
    )
    parser.add_argument(
        "--shard-size",
        type=positive,
        default=5000,
        metavar="N",
        help="utterances in a shard (default: 5000)",
    )


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the work is done."""
    parser.add_argument(
        "--engine",
        choices=["local", "ray"],
        default="local",
        help="this machine (the default) or a Ray cluster; see docs/scale.md",
    )
    parser.add_argument(
        "--address",
        metavar="A",
        help="of the Ray cluster (default: RAY_ADDRESS, else one started here for the run)",
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


def add_model_argument(parser: argparse.ArgumentParser) -> None:
    """Which model."""
    parser.add_argument(
        "--model",
        metavar="M",
        help="a name that `codec model list` shows, a model folder, or owner/name[@revision] on "
        "the Hugging Face hub (default: the shipped model)",
    )


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """Which model, and where it runs."""
    add_model_argument(parser)
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps (default: cpu)")


def add_runtime_argument(parser: argparse.ArgumentParser) -> None:
    """What runs the model, for commands that need no more of it than its codes."""
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        help="onnx: starts at once, on the CPU; onnx-int8: likewise, decodes faster in 8 bits; "
        "torch: runs anywhere; the codes are the same; torch-float32: encodes faster, above all on "
        "GPUs that are slow in float64, but now and then to another code "
        f"(default: ${RUNTIME_VARIABLE}, else onnx if the model has graphs)",
    )


def add_beams_argument(parser: argparse.ArgumentParser) -> None:
    """How hard the encoder searches."""
    parser.add_argument(
        "--beams",
        type=positive,
        default=1,
        metavar="N",
        help="choose the codes of a frame together, among the N best beginnings: better sound at "
        "the same bitrate, and slower; 4 to 16 (default: 1, the nearest code of each stage)",
    )


def add_stream_arguments(parser: argparse.ArgumentParser, formats: Iterable[str]) -> None:
    """How raw samples come and go."""
    parser.add_argument(
        "--sample-format",
        choices=list(formats),
        default="s16le",
        help="of the raw samples, one channel at the model's rate (default: s16le)",
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
    raise argparse.ArgumentTypeError(f"{text!r} is not a channel: give 0, 1, ..., mix or each")


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


def load_model(args: argparse.Namespace) -> "AnyCodec":
    """The model that the arguments of `add_model_arguments` and `add_runtime_argument` name."""
    beams = getattr(args, "beams", 1)  # of those that encode
    return models.load_model(args.model, args.device, args.runtime, beams)


def load_layers(args: argparse.Namespace) -> "Codec":
    """The model that the arguments of `add_model_arguments` name, in PyTorch, to look inside."""
    from audiocodec.models.bundle import load_codec

    return load_codec(args.model or DEFAULT_MODEL, args.device, "torch")


def add_entropy_argument(parser: argparse.ArgumentParser) -> None:
    """Whether `.codec` files are entropy coded."""
    parser.add_argument(
        "--entropy",
        action="store_true",
        help="make .codec files smaller with the model's tables, which readers then need, too",
    )
