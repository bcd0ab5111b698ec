"""What does `codec encode FOLDER` gain over one file after the other, and cost beyond the model?

Prints JSON. `loop` reads, encodes and writes one file after the other, with torch's threads (all
cores) or one; `a command a file` is a shell loop of `codec encode`, of which a part is run and the
time taken in proportion; `folder` is the command in this process. They take turns, and medians are
shown. `processor` is processor time, which other work on the machine moves little; `wall` needs an
idle machine. `start_up` compares `codec encode` on one short file with importing torch and loading
the model in a fresh process.
"""

import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from audiocodec.audio import read_waveform, write_waveform
from audiocodec.cli.main import main as codec_command
from audiocodec.codes import write_codes
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import environment
from audiocodec.models.bundle import load_codec
from audiocodec.models.transcoder import Transcoder

UTTERANCES, RATE, REPEATS = 200, 24_000, 5
COMMANDS = 20  # of the shell loop
Times = dict[str, float]


def main() -> None:
    cores = torch.get_num_threads()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        files = write_utterances(folder / "in")
        coder = Transcoder(load_codec())
        waveforms = [torch.from_numpy(read_waveform(path)[0]) for path in files]
        outputs = (str(folder / f"out{number}") for number in itertools.count())
        ways = {
            f"loop, {threads} threads": (lambda: one_by_one(coder, files, folder / "a"), threads)
            for threads in sorted({1, cores})
        }
        command = ["encode", str(folder / "in")]
        ways["folder"] = (lambda: codec_command([*command, next(outputs)]), cores)
        ways["folder, 1 thread"] = (
            lambda: codec_command([*command, next(outputs), "--threads=1"]),
            1,
        )
        ways["model, 1 thread"] = (lambda: [coder.codec.encode(part) for part in waveforms], 1)
        times = alternately(ways)
        times["a command a file"] = by_commands(files, folder / "d")
        whole, single, model = (
            times[name] for name in ("folder", "folder, 1 thread", "model, 1 thread")
        )
        report = {
            "utterances": UTTERANCES,
            "audio_seconds": sum(map(len, waveforms)) / RATE,
            "seconds": times,
            "speed_up_of_the_folder": {
                name: taken["wall"] / whole["wall"]
                for name, taken in times.items()
                if name.startswith(("loop", "a command"))
            },
            "overhead_beyond_model": single["processor"] / model["processor"] - 1,
            "start_up": start_up(files[0], folder / "x.npy"),
            "environment": environment(),
        }
    print(json.dumps(report, indent=2))


def write_utterances(folder: Path) -> list[Path]:
    """Pieces of the shipped speech, 1 to 8 s long."""
    rng = np.random.default_rng(0)
    speech = np.concatenate([read_waveform(path, RATE)[0] for path in shipped_speech()])
    folder.mkdir()
    paths = [folder / f"{index:03d}.wav" for index in range(UTTERANCES)]
    for path in paths:
        length = int(RATE * rng.uniform(1, 8))
        start = rng.integers(0, len(speech) - length)
        write_waveform(path, speech[start : start + length], RATE)
    return paths


def one_by_one(coder: Transcoder, files: Sequence[Path], output: Path) -> None:
    output.mkdir(exist_ok=True)
    for path in files:
        (coded,) = coder.encode([coder.read(path)])
        write_codes(output / f"{path.stem}.npy", coded.codes, coded.metadata)


def by_commands(files: Sequence[Path], output: Path) -> Times:
    """A process a file, as from a shell; of all files in proportion to the first ones."""
    output.mkdir()
    command = [sys.executable, "-m", "audiocodec", "encode"]
    start = time.perf_counter()
    for path in files[:COMMANDS]:
        subprocess.run([*command, str(path), str(output / f"{path.stem}.npy")], check=True)
    return {"wall": (time.perf_counter() - start) * len(files) / COMMANDS}


def alternately(ways: Mapping[str, tuple[Callable[[], object], int]]) -> dict[str, Times]:
    """Median times of every way to do something, with its threads; they take turns."""
    rounds = [{name: timed(*way) for name, way in ways.items()} for _ in range(REPEATS)]
    return {
        name: {
            clock: statistics.median(times[name][clock] for times in rounds)
            for clock in ("wall", "processor")
        }
        for name in ways
    }


def timed(work: Callable[[], object], threads: int) -> Times:
    torch.set_num_threads(threads)
    processor, wall = time.process_time(), time.perf_counter()
    work()
    return {"wall": time.perf_counter() - wall, "processor": time.process_time() - processor}


def start_up(source: Path, target: Path) -> dict[str, float]:
    """Median processor seconds of fresh processes."""
    bare = [sys.executable, "-c", "import torch, audiocodec; audiocodec.load_codec()"]
    encode = [sys.executable, "-m", "audiocodec", "encode", str(source), str(target)]
    seconds = {"import_and_load": child(bare), "encode_one_file": child(encode)}
    return seconds | {"ratio": seconds["encode_one_file"] / seconds["import_and_load"]}


def child(command: Sequence[str]) -> float:
    def once() -> float:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        # One thread: others spin while they wait, which counts as processor time.
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    return statistics.median(once() for _ in range(REPEATS))


if __name__ == "__main__":
    main()
