"""How close does rounding come to the margin in sounds that it was not measured on? Prints JSON.

python benchmarks/margin.py SPEECH       # a folder of sound files

The margin of a model's graphs comes from signals that are made and from a few voices
(audiocodec/graphs/margin.py). Here pieces of SPEECH are spoilt in many ways, at many levels, and
each gap is computed in float32 and in float64: `nearest to the bound` is the largest move as a
share of it, which must stay below 1.
"""

import argparse
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy import signal

from audiocodec.audio import AUDIO_SUFFIXES, read_waveform
from audiocodec.environment import environment
from audiocodec.graphs.export import gap_graphs
from audiocodec.graphs.margin import moves
from audiocodec.models.bundle import load_codec
from audiocodec.models.folders import ENCODER_GRAPH
from audiocodec.runtime.graph import Graph

SECONDS, SEED = 4, 19
Kind = Callable[[np.ndarray], np.ndarray]


class Spoil:
    """Ways to spoil a waveform (time,), by name; each call draws anew."""

    def __init__(self, paths: list[Path], rate: int) -> None:
        self.paths, self.rate = paths, rate
        self.random = np.random.default_rng(SEED)
        self.kinds: dict[str, Kind] = {
            "as it is": lambda x: x,
            "white noise": lambda x: self.mix(x, self.noise(0)),
            "coloured noise": lambda x: self.mix(x, self.noise(self.between(0.5, 3))),
            "other voices": lambda x: self.mix(x, self.speech() + self.speech()),
            "hum": lambda x: self.mix(x, self.tones(7, harmonic=True)),
            "tones": lambda x: self.mix(x, self.tones(4)),
            "reverberation": self.reverberated,
            "sampled at a third": lambda x: self.resampled(x, 3),
            "sampled at a sixth": lambda x: self.resampled(x, 6),
            "highpass": lambda x: self.filtered(x, "high", 200),
            "lowpass": lambda x: self.filtered(x, "low", 60),
            "clipped": self.clipped,
            "few bits": lambda x: self.rounded(x, int(self.random.integers(3, 14))),
            "quiet, 16 bits": lambda x: self.rounded(x * 10 ** self.between(-3.5, -1), 15),
            "offset": lambda x: x + self.random.choice([-1, 1]) * 10 ** self.between(-4, 0),
            "drop-outs": self.broken,
            "fading": self.faded,
            "noise alone": lambda x: 0.1 * self.noise(self.between(-2, 4)),
            "tones alone": lambda x: 0.1 * self.tones(5),
        }

    def between(self, low: float, high: float) -> float:
        return float(self.random.uniform(low, high))

    def piece(self, kind: str) -> np.ndarray:
        """Spoilt speech, half of it far below full scale."""
        level = self.between(-4, 0) if self.random.random() < 0.5 else self.between(-1, 0.3)
        return self.kinds[kind](self.speech()) * 10**level

    def speech(self) -> np.ndarray:
        path = self.paths[self.random.integers(len(self.paths))]
        x, length = read_waveform(path, self.rate)[0], SECONDS * self.rate
        start = self.random.integers(max(1, len(x) - length))
        return np.resize(x[start : start + length], length).astype(np.float64)

    def noise(self, slope: float) -> np.ndarray:
        """Of unit variance, its power falling with frequency ** slope."""
        spectrum = np.fft.rfft(self.random.standard_normal(SECONDS * self.rate))
        spectrum[1:] *= np.arange(1, len(spectrum)) ** (-slope / 2)
        spectrum[0] = 0
        x = np.fft.irfft(spectrum)
        return x / x.std()

    def tones(self, count: int, harmonic: bool = False) -> np.ndarray:
        time = np.arange(SECONDS * self.rate) / self.rate
        lowest = self.between(40, 1500)
        multiples = np.arange(1, count + 1) if harmonic else self.random.uniform(0.1, 8, count)
        waves = [np.sin(2 * np.pi * (lowest * k * time + self.between(0, 1))) for k in multiples]
        return np.sum(waves, axis=0) / count**0.5

    def mix(self, x: np.ndarray, other: np.ndarray) -> np.ndarray:
        """At -10 to 45 dB of signal to noise."""
        ratio = 10 ** (self.between(-10, 45) / 20)
        return x + other * (x.std() / (ratio * max(other.std(), 1e-9)))

    def reverberated(self, x: np.ndarray) -> np.ndarray:
        length = int(self.between(0.1, 1) * self.rate)
        response = self.random.standard_normal(length) * np.exp(np.linspace(0, -7, length))
        response[0] = self.between(0, 10)
        wet = signal.fftconvolve(x, response)[: len(x)]
        return wet * (x.std() / max(wet.std(), 1e-9))

    def resampled(self, x: np.ndarray, factor: int) -> np.ndarray:
        return signal.resample_poly(signal.resample_poly(x, 1, factor), factor, 1)

    def filtered(self, x: np.ndarray, kind: str, lowest: float) -> np.ndarray:
        order, edge = int(self.random.integers(1, 9)), self.between(lowest, 6000)
        return signal.sosfilt(signal.butter(order, edge, kind, fs=self.rate, output="sos"), x)

    def clipped(self, x: np.ndarray) -> np.ndarray:
        limit = max(np.quantile(np.abs(x), self.between(0.6, 0.999)), 1e-6)
        return np.clip(x, -limit, limit) / limit

    def rounded(self, x: np.ndarray, bits: int) -> np.ndarray:
        return np.round(x * 2.0**bits) / 2.0**bits

    def faded(self, x: np.ndarray) -> np.ndarray:
        return x * np.exp(np.linspace(self.between(-12, 0), self.between(-12, 0), len(x)))

    def broken(self, x: np.ndarray) -> np.ndarray:
        for start in self.random.integers(len(x), size=8):
            x[start : start + self.random.integers(100, 6000)] = 0
        return x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="speech_24k")
    parser.add_argument("--pieces", type=int, default=100, help="of each kind, 4 s long")
    args = parser.parse_args()
    paths = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
    codec = load_codec(args.model, runtime="torch")
    source = Path(str(codec.folder))
    margin = Graph(source / ENCODER_GRAPH).value("margin")
    spoil = Spoil(paths, codec.sample_rate)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "model"
        shutil.copytree(source, folder)
        with gap_graphs(codec, folder) as pair:
            rows = [
                {"sound": kind, **measure(pair, spoil, kind, args.pieces, margin["bound"])}
                for kind in spoil.kinds
            ]
    report = {
        "model": codec.name,
        "weight_hash": codec.weight_hash,
        "bound": margin["bound"],
        "nearest to the bound": max(row["nearest to the bound"] for row in rows),
        "frames": sum(row["frames"] for row in rows),
        "rows": rows,
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


def measure(
    pair: tuple[Graph, Graph], spoil: Spoil, kind: str, pieces: int, bound: float
) -> dict[str, Any]:
    """Of one kind of sound; a code is missed if float32 is sure of another one than float64's."""
    found = [moves(*pair, spoil.piece(kind)) for _ in range(pieces)]
    relative, smallest, same = (np.concatenate(parts) for parts in zip(*found, strict=True))
    sure = smallest > bound
    return {
        "frames": len(same),
        "nearest to the bound": float(relative.max() / bound),
        "computed again": float(1 - sure.mean()),
        "frames missed": int((sure & ~same).sum()),
    }


if __name__ == "__main__":
    main()
