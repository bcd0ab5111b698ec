"""`codec evaluate`: score degraded audio, of any system, against its reference."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocodec.cli.arguments import (
    add_beams_argument,
    add_engine_arguments,
    add_examples,
    positive,
)
from audiocodec.cli.output import print_json

if TYPE_CHECKING:
    from audiocodec.evaluation.pool import Mapper
    from audiocodec.models.roundtrip import RoundTripBase


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec evaluate`."""
    side = "a folder of audio, a data directory, a list or a file"
    parser.add_argument("--reference", type=Path, required=True, metavar="REF", help=side)
    systems = parser.add_mutually_exclusive_group(required=True)
    systems.add_argument("--degraded", type=Path, metavar="DEG", help=side)
    systems.add_argument("--model", metavar="M", help="encode and decode REF with this model")
    systems.add_argument(
        "--system",
        metavar="NAME",
        help="encode and decode REF with another codec: encodec, dac, snac, mimi or vocos",
    )
    parser.add_argument(
        "--weights", type=Path, metavar="DIR", help="of the system; see docs/peers.md"
    )
    parser.add_argument("--num-quantizers", type=positive, metavar="N", help="of model or system")
    add_beams_argument(parser)
    parser.add_argument(
        "--bandwidth", type=float, metavar="KBPS", help="of the system, instead, in kbit/s"
    )
    parser.add_argument("--device", default="cpu", help="of the model: cpu, cuda, ...")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of the model")
    parser.add_argument("--output", type=Path, required=True, metavar="OUT")
    parser.add_argument("--name", help="of the system, for reports (default: OUT's name)")
    rates = parser.add_mutually_exclusive_group()
    rates.add_argument("--bitrate", type=float, metavar="BPS", help="of a system without model")
    rates.add_argument(
        "--codes",
        type=Path,
        metavar="DIR",
        help="code files that DEG comes from: its bitrate",
    )
    parser.add_argument(
        "--metrics",
        default="default",
        metavar="A,B",
        help="names, 'default' or 'all'; see docs/evaluation.md",
    )
    parser.add_argument(
        "--metric-file",
        action="append",
        default=[],
        type=_key_and_file,
        metavar="KEY=FILE",
        help="local file of an optional metric: dnsmos, utmos, speaker or wer; may be repeated",
    )
    parser.add_argument("--jobs", type=positive, metavar="N", help="processes (default: cores)")
    parser.add_argument(
        "--timeout", type=float, default=600, metavar="S", help="for one pair (default: 600)"
    )
    add_engine_arguments(parser)
    parser.add_argument("--no-report", action="store_true", help="write no report.html")
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    add_examples(
        parser,
        "codec evaluate --reference corpus/ --model speech_24k --output evaluation/",
        "codec evaluate --reference corpus/ --degraded opus/ --bitrate 6000 --output opus_6k/",
        "codec evaluate --reference corpus/ --system encodec --weights encodec/ --output enc_6k/",
    )


def run(args: argparse.Namespace) -> None:
    """Write the results and print the summary.

    Raises:
        PartialFailure: some utterances could not be scored; their rows say why.
    """
    from audiocodec.environment import available_cores
    from audiocodec.errors import ConfigError
    from audiocodec.evaluation.evaluate import EvaluateOptions, evaluate
    from audiocodec.evaluation.metrics import LOCAL, select, with_installed
    from audiocodec.pipeline.batch import stoppable

    if not args.system:
        for name in ("weights", "bandwidth"):
            if getattr(args, name) is not None:
                raise ConfigError(f"--{name} is of --system NAME; there is none")
    if not args.model and args.beams != 1:
        raise ConfigError("--beams is of --model M; there is none")
    options = EvaluateOptions(
        metrics=args.metrics.split(","),
        metric_files=dict(args.metric_file),
        jobs=args.jobs or available_cores(),
        timeout=args.timeout,
        report=not args.no_report,
        progress=sys.stderr.isatty(),
        mapper=_mapper(args),
    )
    for name in select(options.metrics, with_installed(options.metric_files))[1]:
        print(
            f"codec: {name} left out: it needs --metric-file {LOCAL[name].file}=FILE",
            file=sys.stderr,
        )
    facts: dict[str, Any] = {}
    with stoppable():
        degraded = args.degraded
        if args.model or args.system:
            degraded, facts = _reconstruct(args)
        elif args.bitrate:
            facts = {"bitrate": args.bitrate}
        elif args.codes:
            facts = _coded(args.codes)
        if args.name:
            facts["name"] = args.name
        evaluation = evaluate(args.reference, degraded, args.output, options, facts)
    _print(evaluation.summary, evaluation.rows, args)


def _mapper(args: argparse.Namespace) -> "Mapper":
    if args.engine == "ray":
        from audiocodec.pipeline.ray_score import RayMapper

        return RayMapper(args.address)
    from audiocodec.evaluation.pool import map_unordered

    return map_unordered


def _print(summary: dict[str, Any], rows: list[dict[str, Any]], args: argparse.Namespace) -> None:
    from audiocodec.errors import PartialFailure
    from audiocodec.evaluation.results import as_markdown

    if args.json:
        print_json(summary)
    else:
        print(as_markdown(summary), end="")
    for row in rows:
        if row["reason"]:
            print(f"codec: {row['id']}: {row['reason']}", file=sys.stderr)
    if summary["n_failed"]:
        raise PartialFailure(
            f"{summary['n_failed']} of {len(rows)} utterances could not be scored in full; "
            f"see the reasons in {args.output / 'utterances.csv'}"
        )


def _reconstruct(args: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Encode and decode the reference side into OUT; what the system is and how it did."""
    from tqdm import tqdm

    from audiocodec.errors import AudioError, ConfigError
    from audiocodec.evaluation.pairs import pair_files

    reference = args.reference.resolve()
    if args.output.resolve() in (reference, *reference.parents):
        raise ConfigError(f"{args.output}: the output would hold the reference; choose another")
    trip = _round_trip(args)
    pairs = pair_files(args.reference, args.reference)
    bar = tqdm(pairs, "coding", unit="file", leave=False, disable=not sys.stderr.isatty())
    with trip.threads(args.threads), trip:
        for pair in bar:
            if pair.problem or pair.reference is None:
                continue  # scoring will say so
            try:
                trip.write(pair.id, pair.reference, pair.reference_span)
            except AudioError as error:  # scoring will find no degraded file
                print(f"codec: error: {error}", file=sys.stderr)
        return args.output / "wav", trip.facts()


def _round_trip(args: argparse.Namespace) -> "RoundTripBase":
    """The model or the other codec, ready to write what it makes of files to OUT."""
    from audiocodec.errors import ConfigError

    if args.model:
        from audiocodec.models.bundle import load_codec
        from audiocodec.models.roundtrip import RoundTrip

        return RoundTrip(
            load_codec(args.model, args.device, "torch", args.beams),
            args.output,
            args.num_quantizers,
        )
    from audiocodec.peers.loading import PeerOptions, check_names
    from audiocodec.peers.roundtrip import PeerRoundTrip

    check_names([args.system])
    if args.weights is None:
        raise ConfigError(
            f"--system {args.system} needs --weights DIR, a folder with its weights; "
            "docs/peers.md says which files"
        )
    choice = (args.num_quantizers, args.bandwidth)
    return PeerRoundTrip(PeerOptions(args.system, args.weights, *choice, args.device), args.output)


def _coded(folder: Path) -> dict[str, Any]:
    """What the code files below `folder` say of themselves; all must be of one model and rate.

    Raises:
        DataError: there are none, or they differ.
    """
    from audiocodec.codes import CODE_SUFFIXES, read_codes
    from audiocodec.errors import DataError
    from audiocodec.pipeline.paths import found as files_of

    found: dict[str, Any] = {}
    for _, path in files_of(str(folder), CODE_SUFFIXES):
        metadata = read_codes(path).metadata
        facts = {
            "model": metadata.model,
            "model_hash": metadata.model_hash,
            "num_quantizers": len(metadata.codebook_sizes),
            "bitrate": metadata.bitrate,
        }
        if found and facts != found:
            raise DataError(f"{path}: of another model or bitrate than the code files before it")
        found = facts
    if not found:
        raise DataError(f"{folder}: no code file below it")
    return found


def _key_and_file(text: str) -> tuple[str, str]:
    key, equals, file = text.partition("=")
    if not (key and equals and file):
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=FILE")
    return key, file
