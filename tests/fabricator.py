"""Corpora of very many, very short recordings, of which some are bad, made in seconds."""

import struct
from pathlib import Path

import numpy as np

RATE = 24_000
_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")


def wav_bytes(samples: np.ndarray, rate: int = RATE) -> bytes:
    """A WAV file of int16 `samples`, (time,)."""
    size = 2 * len(samples)
    fields = (b"RIFF", 36 + size, b"WAVE", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16, b"data", size)
    return _HEADER.pack(*fields) + samples.astype("<i2").tobytes()


def fabricate(
    folder: Path, count: int = 10_000, bad_share: float = 0.01, seed: int = 0
) -> set[str]:
    """Write a data directory (wav.scp, utt2spk) of WAV files of 40 to 400 ms; the ids of bad ones.

    They are no audio, truncated, without samples or missing, in turn, at random places.
    """
    random = np.random.default_rng(seed)
    noise = random.integers(-3000, 3000, 2 * RATE)
    bad = {int(index) for index in random.choice(count, round(count * bad_share), replace=False)}
    audio = folder / "audio"
    lines, speakers = [], []
    for index in range(count):
        start, length = (int(n) for n in random.integers((0, RATE // 25), (RATE, 2 * RATE // 5)))
        data = wav_bytes(noise[start : start + length])
        path = audio / f"{index // 1000:03d}" / f"utt-{index:06d}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        if index in bad:
            data = (b"no audio", data[:-100], data[: _HEADER.size], b"")[index % 4]
        if index not in bad or index % 4 != 3:
            path.write_bytes(data)
        lines.append(f"{path.stem} {path}\n")
        speakers.append(f"{path.stem} speaker-{index % 50}\n")
    (folder / "wav.scp").write_text("".join(lines))
    (folder / "utt2spk").write_text("".join(speakers))
    return {f"utt-{index:06d}" for index in bad}
