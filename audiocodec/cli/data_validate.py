"""`codec data validate`: open every file of data directories or shards and say what is wrong."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.cli.arguments import add_examples, positive
from audiocodec.cli.output import print_json
from audiocodec.environment import available_cores

if TYPE_CHECKING:
    from audiocodec.data.tables import Finding
    from audiocodec.data.validation import Checked


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec data validate`."""
    parser.add_argument(
        "folders", type=Path, nargs="+", metavar="DIR", help="data directory, or audio shards"
    )
    parser.add_argument("--sample-rate", type=positive, metavar="HZ", help="of files not in utt2sr")
    parser.add_argument(
        "--fix", type=Path, metavar="OUT", help="write repaired copies of the tables to OUT/<name>"
    )
    parser.add_argument(
        "--run-commands",
        action="store_true",
        help="run the entries of wav.scp that are shell commands ('... |') and, with --fix, write "
        "what they print to OUT/<name>/audio",
    )
    parser.add_argument("--jobs", type=positive, default=available_cores(), help="processes")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")
    add_examples(parser, "codec data validate data/train data/valid --fix data/checked")


def run(args: argparse.Namespace) -> None:
    """Print the findings.

    Raises:
        DataError: there are errors, or, with --fix, errors that it cannot mend. Warnings alone are
            no failure.
    """
    import sys

    from tqdm import tqdm

    from audiocodec.data.tables import check_tables
    from audiocodec.data.training_data import check_shards, is_data_dir
    from audiocodec.data.validation import audio_findings, check_audio, speaker_leaks
    from audiocodec.errors import ConfigError, DataError

    if args.run_commands and not args.fix:
        raise ConfigError("--run-commands needs --fix OUT, where the audio is written")
    shards = [folder for folder in args.folders if not is_data_dir(folder)]
    if args.fix and shards:
        raise ConfigError(
            f"{shards[0]}: shards are not repaired; --fix the data directory they were made of, "
            "and write them anew with codec data shard"
        )
    texts = {
        folder: check_shards(folder, args.jobs)
        if folder in shards
        else check_tables(folder, _audio_folder(args, folder))
        for folder in args.folders
    }
    directories = {folder: utterances for folder, (utterances, _) in texts.items()}
    total = sum(map(len, directories.values()))
    with tqdm(total=total, unit="file", leave=False, disable=not sys.stderr.isatty()) as bar:
        checked = check_audio(directories, args.sample_rate, args.jobs, bar.update)
    findings = [finding for _, found in texts.values() for finding in found]
    findings += [*audio_findings(checked), *speaker_leaks(directories)]
    _print(findings, total, args.json)
    errors = sum(finding.severity == "error" for finding in findings)
    summary = f"{total} files: {errors} errors, {len(findings) - errors} warnings"
    print(f"codec: {summary}", file=sys.stderr)
    if args.fix:
        _fix(checked, args.fix)
    elif errors:
        raise DataError(f"{errors} errors; mend them, or write a repaired copy with --fix")


def _audio_folder(args: argparse.Namespace, folder: Path) -> Path | None:
    """Where the output of commands goes, if they are to be run."""
    if not args.run_commands:
        return None
    return Path(args.fix).absolute() / folder.resolve().name / "audio"


def _print(findings: "list[Finding]", total: int, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        report = {"files": total, "findings": [asdict(finding) for finding in findings]}
        print_json(report)
        return
    for finding in findings:
        where = f"{finding.severity}\t{finding.folder}\t{finding.id}"
        print(f"{where}\t{finding.problem}; {finding.cure}")


def _fix(checked: "dict[Path, list[Checked]]", output: Path) -> None:
    import sys

    from audiocodec.data.validation import repair, speaker_leaks
    from audiocodec.errors import DataError

    repaired = repair(checked, output)
    for (target, kept), results in zip(repaired.items(), checked.values(), strict=True):
        print(f"codec: {target}: kept {len(kept)} of {len(results)}", file=sys.stderr)
    if leaks := speaker_leaks(repaired):
        raise DataError(f"{len(leaks)} speakers are in several sets; --fix cannot mend that")
