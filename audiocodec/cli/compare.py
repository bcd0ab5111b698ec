"""`codec compare`: evaluations of several systems on the same utterances, in pairs."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec compare`."""
    parser.add_argument("first", type=Path, metavar="OUT_A", help="an output of codec evaluate")
    parser.add_argument("others", type=Path, nargs="+", metavar="OUT_B", help="compared with OUT_A")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> None:
    """Print one table for each of the others."""
    import json
    from dataclasses import asdict

    from audiocodec.evaluation.comparison import compare, read_utterances

    first = read_utterances(args.first)
    tables = {str(other): compare(first, read_utterances(other)) for other in args.others}
    if args.json:
        plain = {o: {name: asdict(c) for name, c in table.items()} for o, table in tables.items()}
        print(json.dumps(plain, indent=2))
        return
    for other, table in tables.items():
        print(f"{other} against {args.first}\n")
        print("| metric | n | A | B | B - A | 95 % interval | p | win / tie / loss |")
        print("|---|---|---|---|---|---|---|---|")
        for name, c in table.items():
            print(
                f"| {name} | {c.n} | {c.mean_a:.3f} | {c.mean_b:.3f} | {c.difference:+.3f} "
                f"| {c.ci_low:+.3f} to {c.ci_high:+.3f} | {c.p_value:.2g} "
                f"| {c.wins} / {c.ties} / {c.losses} |"
            )
        print()
