"""`codec validate-data`: open every file of data directories and say what is wrong."""

import argparse
import os
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec validate-data`."""
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR")
    parser.add_argument("--sample-rate", type=int, metavar="HZ", help="of files not in utt2sr")
    parser.add_argument("--fix", type=Path, metavar="OUT", help="write repaired copies there")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--json", action="store_true", help="print the findings as JSON")


def run(args: argparse.Namespace) -> None:
    """Print the findings.

    Raises:
        DataError: there are errors (warnings alone are no failure).
    """
    import json
    import sys
    from collections import Counter
    from dataclasses import asdict

    from tqdm import tqdm

    from audiocodec.data.validation import validate, write_repaired
    from audiocodec.errors import DataError

    with tqdm(unit="file", leave=False, disable=not sys.stderr.isatty()) as bar:
        findings, checked = validate(args.folders, args.sample_rate, args.jobs, bar.update)
    counts = Counter(finding.severity for finding in findings)
    files = sum(map(len, checked.values()))
    if args.json:
        report = {"files": files, "findings": [asdict(finding) for finding in findings]}
        print(json.dumps(report, indent=2, ensure_ascii=False))
    else:
        for f in findings:
            print(f"{f.severity}\t{f.folder}\t{f.id}\t{f.problem}; {f.cure}")
    print(
        f"codec: {files} files: {counts['error']} errors, {counts['warning']} warnings",
        file=sys.stderr,
    )
    if args.fix:
        for folder, results in checked.items():
            kept = write_repaired(results, args.fix / folder.name)
            print(
                f"codec: {args.fix / folder.name}: kept {kept} of {len(results)}", file=sys.stderr
            )
    elif counts["error"]:
        raise DataError(f"{counts['error']} errors; mend them, or write a repaired copy with --fix")
