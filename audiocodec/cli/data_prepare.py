"""`codec data prepare`: data directories from a folder of audio, LibriTTS, lhotse manifests or the
shipped speech.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.cli.arguments import add_examples, positive
from audiocodec.environment import available_cores

if TYPE_CHECKING:
    from audiocodec.data.data_dir import Utterance
    from audiocodec.data.prepare import Recording, Scan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec data prepare`."""
    sources = parser.add_subparsers(dest="source", metavar="SOURCE", required=True)
    folder = sources.add_parser("folder", help="any tree of audio, split by speaker")
    folder.add_argument("--audio", type=Path, required=True, metavar="DIR")
    folder.add_argument(
        "--speaker-from",
        metavar="REGEX",
        help="its first group, searched in the path below DIR, is the speaker "
        "(default: the first folder)",
    )
    libritts = sources.add_parser("libritts", help="a data directory for each set of LibriTTS")
    libritts.add_argument("--corpus", type=Path, required=True, metavar="DIR")
    lhotse = sources.add_parser("lhotse", help="one data directory from lhotse manifests")
    lhotse.add_argument(
        "--manifests",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="of cuts, or of recordings and supervisions (jsonl, jsonl.gz, json, yaml)",
    )
    lhotse.add_argument("--name", default="train", help="of the set (default: %(default)s)")
    lhotse.add_argument(
        "--root", type=Path, metavar="DIR", help="what relative paths start from (default: here)"
    )
    samples = sources.add_parser("samples", help="the speech that the package ships")
    for source in (folder, samples):
        size = "share of the speakers, or their number from 1 (default: %(default)s)"
        source.add_argument("--valid", type=float, default=0.1, metavar="SIZE", help=size)
        source.add_argument("--test", type=float, default=0.1, metavar="SIZE", help=size)
        source.add_argument("--seed", type=int, default=0, help="of the split")
    for source in (folder, libritts, lhotse, samples):
        source.add_argument("--output", type=Path, required=True, metavar="DATA")
        source.add_argument("--jobs", type=positive, default=available_cores(), help="threads")
    add_examples(
        parser,
        "codec data prepare folder --audio recordings/ --output data",
        "codec data prepare samples --output data",
    )


def run(args: argparse.Namespace) -> None:
    """Write `DATA/<set>` for each set.

    Raises:
        PartialFailure: some files could not be read; they have been reported and left out.
    """
    from audiocodec.data.data_dir import write_data_dir
    from audiocodec.errors import PartialFailure

    makers = {"libritts": _libritts, "lhotse": _lhotse}
    sets, left_out = makers.get(args.source, _folder)(args)
    for name, utterances in sets.items():
        write_data_dir(args.output / name, utterances)
        print(f"{args.output / name}: {_described(utterances)}")
    if left_out:
        total = sum(map(len, sets.values())) + left_out
        raise PartialFailure(f"{left_out} of {total} files left out; the rest is in place")


def _libritts(args: argparse.Namespace) -> "tuple[dict[str, list[Utterance]], int]":
    from audiocodec.data.prepare import libritts_recordings

    found = {n: _scan(n, r, args.jobs) for n, r in libritts_recordings(args.corpus).items()}
    sets = {name: scan.utterances for name, scan in found.items()}
    return sets, sum(len(scan.problems) for scan in found.values())


def _lhotse(args: argparse.Namespace) -> "tuple[dict[str, list[Utterance]], int]":
    from audiocodec.data.lhotse_manifests import lhotse_recordings

    recordings, problems = lhotse_recordings(args.manifests, args.root)
    _report(problems)
    found = _scan(args.name, recordings, args.jobs)
    return {args.name: found.utterances}, len(problems) + len(found.problems)


def _folder(args: argparse.Namespace) -> "tuple[dict[str, list[Utterance]], int]":
    from audiocodec.data.prepare import folder_recordings, split_by_speaker
    from audiocodec.data.samples import SAMPLES

    if args.source == "samples":
        recordings = folder_recordings(SAMPLES)
    else:
        recordings = folder_recordings(args.audio, args.speaker_from)
    found = _scan("files", recordings, args.jobs)
    sets = split_by_speaker(found.utterances, args.valid, args.test, args.seed)
    return sets, len(found.problems)


def _scan(name: str, recordings: "Sequence[Recording]", jobs: int) -> "Scan":
    import sys

    from tqdm import tqdm

    from audiocodec.data.prepare import scan

    quiet = not sys.stderr.isatty()
    with tqdm(total=len(recordings), desc=name, unit="file", leave=False, disable=quiet) as bar:
        found = scan(recordings, jobs, bar.update)
    _report(found.problems)
    return found


def _report(problems: "Sequence[str]") -> None:
    import sys

    for problem in problems:
        print(f"codec: left out: {problem}", file=sys.stderr)


def _described(utterances: "Sequence[Utterance]") -> str:
    seconds = sum(u.num_samples / u.sample_rate for u in utterances if u.sample_rate)
    speakers = len({u.speaker for u in utterances})
    return f"{len(utterances)} utterances, {speakers} speakers, {seconds / 3600:.3f} h"
