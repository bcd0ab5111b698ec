"""Does scoring scale with processes, and what does it cost beyond its libraries? Prints JSON.

`libraries` is the time of `pesq.pesq` and `pystoi.stoi` alone, on signals that are already read and
resampled; `one` and `two` are `score_pairs` in one and two processes, files and journal included.
Reading, checking and resampling are the overhead.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pesq
import pystoi

from audiocodec.audio import read_waveform, resample, write_waveform
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import environment
from audiocodec.evaluation.metrics import select
from audiocodec.evaluation.pairs import pair_files
from audiocodec.evaluation.scoring import Scoring, score_pairs

RATE, SECONDS, PAIRS = 24_000, 8, 48
METRICS = ("pesq_wb", "stoi")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        signals = write_pairs(folder)
        pairs = pair_files(folder / "reference", folder / "degraded")
        prepared = [
            (
                reference,
                degraded,
                resample(reference, RATE, 16_000),
                resample(degraded, RATE, 16_000),
            )
            for reference, degraded in signals
        ]
        one, two = (Scoring(select(METRICS)[0], jobs) for jobs in (1, 2))
        score_pairs(pairs[:2], one, folder / "warm.jsonl")
        seconds = {
            "libraries": timed(lambda: [libraries(*signal) for signal in prepared]),
            "one": timed(lambda: score_pairs(pairs, one, folder / "one.jsonl")),
            "two": timed(lambda: score_pairs(pairs, two, folder / "two.jsonl")),
        }
    report = {
        "pairs": PAIRS,
        "seconds_of_audio_each": SECONDS,
        "seconds": seconds,
        "overhead_beyond_libraries": seconds["one"] / seconds["libraries"] - 1,
        "speed_up_by_two_processes": seconds["one"] / seconds["two"],
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


def write_pairs(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Shipped speech with noise, as pairs of files; returns the signals."""
    speech = np.concatenate([read_waveform(path, RATE)[0] for path in shipped_speech()])
    random = np.random.default_rng(0)
    signals = []
    for index in range(PAIRS):
        start = index * RATE % (len(speech) - SECONDS * RATE)
        reference = speech[start : start + SECONDS * RATE]
        noise = 0.01 * random.standard_normal(len(reference))
        degraded = (reference + noise).astype(np.float32)
        signals.append((reference, degraded))
        for side, signal in (("reference", reference), ("degraded", degraded)):
            write_waveform(folder / side / f"{index:03d}.wav", signal, RATE, subtype="FLOAT")
    return signals


def libraries(
    reference: np.ndarray, degraded: np.ndarray, reference_16k: np.ndarray, degraded_16k: np.ndarray
) -> None:
    pesq.pesq(16_000, reference_16k, degraded_16k, "wb")
    pystoi.stoi(reference, degraded, RATE)


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
