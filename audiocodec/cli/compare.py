"""`codec compare`: evaluations of several systems on the same utterances, in pairs."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.cli.arguments import add_examples
from audiocodec.cli.output import print_json

if TYPE_CHECKING:
    from audiocodec.evaluation.comparison import Comparison


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec compare`."""
    parser.add_argument("first", type=Path, metavar="OUT_A", help="an output of codec evaluate")
    parser.add_argument("others", type=Path, nargs="+", metavar="OUT_B", help="others")
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_examples(parser, "codec compare evaluations/base evaluations/large")


def run(args: argparse.Namespace) -> None:
    """Print paired differences of each other system to the first."""
    import sys
    from dataclasses import asdict

    from audiocodec.evaluation.comparison import compare, harness_differences
    from audiocodec.evaluation.results import read_summary, read_utterances

    first, stamp = read_utterances(args.first), read_summary(args.first)["stamp"]
    tables = {}
    for other in args.others:
        tables[str(other)] = compare(first, read_utterances(other))
        for line in harness_differences(stamp, read_summary(other)["stamp"]):
            print(f"codec: warning: measured differently: {line}", file=sys.stderr)
    if args.json:
        plain = {o: {name: asdict(c) for name, c in table.items()} for o, table in tables.items()}
        print_json(plain)
        return
    for other, table in tables.items():
        _print(f"{other} (B) against {args.first} (A)", table)


def _print(title: str, table: "dict[str, Comparison]") -> None:
    from audiocodec.evaluation.results import interval_text

    print(f"{title}\n")
    print("| metric | n | A | B | B - A | 95 % interval | p | B wins / ties / loses |")
    print("|---|---|---|---|---|---|---|---|")
    for name, c in table.items():
        print(
            f"| {name} | {c.n} | {c.mean_a:.3f} | {c.mean_b:.3f} | {c.difference:+.3f} "
            f"| {interval_text(c.ci_low, c.ci_high, '+')} | {c.p_value:.2g} "
            f"| {c.wins} / {c.ties} / {c.losses} |"
        )
    print()
