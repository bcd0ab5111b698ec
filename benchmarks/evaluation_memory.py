"""Does memory grow with the number of pairs that `codec evaluate` scores? Prints JSON.

The command itself scores short pairs in `--jobs` processes; its own memory and that of the largest
scoring process are read when a tenth, a half and all of the rows are on disk. Only anonymous memory
is counted, as in benchmarks/memory.py. The pairs are some files under many names.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from audiocodec.audio import read_waveform, write_waveform
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import environment

RATE, SECONDS, FILES = 16_000, 0.6, 50
METRICS = "si_sdr,delay,gain"  # cheap ones: what is measured grows with rows, not with work


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pairs", type=int, default=10_000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--metrics", default=METRICS)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(folder, args.pairs)
        start = time.perf_counter()
        memory = watch(folder, [round(part * args.pairs) for part in (0.1, 0.5, 0.98)], args)
        seconds = time.perf_counter() - start
        summary = json.loads((folder / "out" / "summary.json").read_text())
    report = {
        "pairs": args.pairs,
        "jobs": args.jobs,
        "metrics": args.metrics,
        "failed": summary["n_failed"],
        "seconds": round(seconds, 1),
        "kilobytes_when_so_many_rows_are_done": memory,
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


def write_pairs(folder: Path, count: int) -> None:
    """`count` pairs of short files, hard links to FILES different ones."""
    speech = np.concatenate([read_waveform(path, RATE)[0] for path in shipped_speech()])
    random, length = np.random.default_rng(0), int(SECONDS * RATE)
    for side, noise in (("ref", 0.0), ("deg", 0.01)):
        for index in range(min(FILES, count)):
            cut = speech[2 * index * length :][:length]
            signal = (cut + noise * random.standard_normal(length)).astype(np.float32)
            write_waveform(folder / side / f"{index:06d}.wav", signal, RATE)
        for index in range(FILES, count):
            os.link(folder / side / f"{index % FILES:06d}.wav", folder / side / f"{index:06d}.wav")


def watch(folder: Path, marks: list[int], args: argparse.Namespace) -> dict[str, dict[str, int]]:
    """Memory of the command and of its largest process once so many rows are on disk."""
    sides = ["--reference", str(folder / "ref"), "--degraded", str(folder / "deg")]
    options = ["--output", str(folder / "out"), "--metrics", args.metrics, "--no-report"]
    command = [sys.executable, "-m", "audiocodec", "evaluate", *sides, *options]
    command += ["--jobs", str(args.jobs)]
    found = {}
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        parent, journal = psutil.Process(process.pid), folder / "out" / "scores.jsonl"
        for mark in marks:
            while process.poll() is None and rows(journal) < mark:
                time.sleep(0.05)
            if process.poll() is not None:
                raise RuntimeError(f"{command} ended before {mark} rows were done")
            workers = parent.children(recursive=True)
            found[str(mark)] = {
                "command": anonymous(parent),
                "largest_scoring_process": max(map(anonymous, workers)),
            }
    return found


def rows(journal: Path) -> int:
    return journal.read_bytes().count(b"\n") if journal.exists() else 0


def anonymous(process: psutil.Process) -> int:
    """Anonymous resident memory in kB; 0 of a process that has just ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


if __name__ == "__main__":
    main()
