"""Run the rows of the comparison that are not there yet, one after the other.

    python local/sweep.py --modality speech --config conf/speech.yaml --output exp/speech \\
        --train data/train --valid data/valid --bits 10 12 14 16 --seeds 0 1 2

Each row is a process of its own, so that its memory can be told, and leaves OUTPUT/rows/ROW.json; a
interrupted row resumes from its last checkpoint. The exit code is 3 if a row failed.
"""

import argparse
import hashlib
import json
import logging
import multiprocessing
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import image_row
import speech_row
import torch
from measure import row_id
from methods import LEVELS, METHODS, plan

from audiocodec.environment import commit, environment
from audiocodec.errors import CodecError
from audiocodec.files import atomic_path

ROWS = {"speech": speech_row.run, "image": image_row.run}
PRELOAD = {"speech": speech_row.preload, "image": image_row.preload}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--modality", choices=ROWS, required=True)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--train", type=Path, help="data directory, of speech")
    parser.add_argument("--valid", type=Path, help="data directory, of speech")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--bits", type=int, nargs="+", choices=LEVELS, default=[10, 12, 14, 16])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--start-steps", type=int, default=400, help="before a quantizer, of speech"
    )
    parser.add_argument("--frames", type=int, default=400_000, help="that codes are counted on")
    parser.add_argument("--scored", type=int, default=40, help="utterances that metrics score")
    parser.add_argument("--set", action="append", default=[], metavar="A.B=C")
    args = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    torch.set_num_threads(1)
    rows = list(rows_of(args))
    try:
        PRELOAD[args.modality]()
    except CodecError as error:
        sys.exit(f"sweep.py: error: {error}")
    failed = sum(not done(row, args, f"{at} of {len(rows)}") for at, row in enumerate(rows, 1))
    if failed:
        print(f"sweep.py: {failed} of {len(rows)} rows failed, see above", file=sys.stderr)
        sys.exit(3)


def rows_of(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for name, bits, seed in plan(args.methods, args.bits, args.seeds):
        quantizer = METHODS[name].options(bits)
        yield {"method": name, "bits_asked": bits, "seed": seed, "quantizer": quantizer}


def done(row: dict[str, Any], args: argparse.Namespace, place: str) -> bool:
    """Whether the row is there, now or before."""
    name = row_id(row)
    result = args.output / "rows" / f"{name}.json"
    if result.exists():
        refuse_changes(result, args)
        return True
    print(f"row {place}: {name}", flush=True)
    process = multiprocessing.get_context("fork").Process(target=work, args=(row, args, result))
    process.start()
    process.join()
    return process.exitcode == 0


def settings_of(args: argparse.Namespace) -> list[str]:
    """What rows of one table have in common, in words."""
    digest = hashlib.sha256(args.config.read_bytes()).hexdigest()[:8]
    counted = [f"frames={args.frames}", f"scored={args.scored}"]
    if args.modality == "speech":
        counted.append(f"start_steps={args.start_steps}")
    return [f"{args.config} ({digest})", *args.set, *counted]


def refuse_changes(result: Path, args: argparse.Namespace) -> None:
    """Stop rather than put rows of other settings into one table."""
    found, wanted = json.loads(result.read_text(encoding="utf-8"))["settings"], settings_of(args)
    if found != wanted:
        sys.exit(
            f"sweep.py: error: {result} was made with {' '.join(found)}, not {' '.join(wanted)}; "
            "give another --output (of run.sh: --exp)"
        )


def work(row: dict[str, Any], args: argparse.Namespace, result: Path) -> None:
    """Make a row and write it."""
    try:
        measured = ROWS[args.modality](row, args, args.output / "runs" / row_id(row))
    except CodecError as error:
        sys.exit(f"sweep.py: error: {row_id(row)}: {error}")
    machine = environment()
    about = {
        "modality": args.modality,
        "settings": settings_of(args),
        "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "processor": machine["processor"],
        "torch": machine["versions"]["torch"],
        "commit": commit(),
    }
    result.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(result) as temporary:
        temporary.write_text(json.dumps(row | about | measured, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
