"""What opening, measuring and reading a sound file costs beside plain soundfile; prints JSON.

Times are microseconds of the processor, the least of several rounds in which both take turns. WAV
and FLAC are read by libsndfile, MP3 and Opus by ffmpeg, which has to decode a file to measure it.
"""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from audiocodec.audio import audio_info, read_waveform, write_waveform
from audiocodec.environment import environment
from audiocodec.soundfiles.opening import open_audio

RATE, SECONDS = 24_000, 10
ROUNDS, SHARE = 20, 0.02  # seconds of the processor for each in a round


def main() -> None:
    waveform = 0.1 * np.random.default_rng(0).standard_normal(SECONDS * RATE)
    report = {}
    with tempfile.TemporaryDirectory() as folder:
        for suffix in ("wav", "flac", "mp3", "opus"):
            path = Path(folder) / f"x.{suffix}"
            write_waveform(path, waveform, RATE)
            report[suffix] = {name: compared(*pair) for name, pair in pairs(path).items()}
    print(json.dumps({"microseconds": report, "environment": environment()}, indent=2))


def pairs(path: Path) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """What soundfile does, and what this package does instead."""
    start, count = RATE, RATE
    return {
        "open": (lambda: soundfile.SoundFile(path).close(), lambda: open_audio(path).close()),
        "measure": (lambda: soundfile.info(path), lambda: audio_info(path)),
        "read a second": (
            lambda: soundfile.read(path, count, start, dtype="float32"),
            lambda: read_waveform(path, start=start, num_samples=count),
        ),
        "read all": (
            lambda: soundfile.read(path, dtype="float32"),
            lambda: read_waveform(path),
        ),
    }


def compared(theirs: Callable[[], object], ours: Callable[[], object]) -> dict[str, float]:
    """Both times and their ratio."""
    times = [(seconds(theirs), seconds(ours)) for _ in range(ROUNDS)]
    least = [1e6 * min(column) for column in zip(*times, strict=True)]
    return {"soundfile": least[0], "audiocodec": least[1], "ratio": least[1] / least[0]}


def seconds(work: Callable[[], object]) -> float:
    """Of one call."""
    calls, start = 0, time.process_time()
    while (passed := time.process_time() - start) < SHARE:
        work()
        calls += 1
    return passed / calls


if __name__ == "__main__":
    main()
