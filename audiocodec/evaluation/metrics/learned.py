"""Metrics by learned models, at 16 kHz; each loads a local file that the user names.

Instances are functions like any metric; they hold the file's name, so that they can be sent to
other processes, which load the model when they first need it.
"""

import importlib.util
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from audiocodec.evaluation.metrics.local_models import load_function, load_network
from audiocodec.evaluation.signals import MetricFailure, checked_pair
from audiocodec.extras import extra

RATE = 16_000
_SEGMENT = 144_160  # samples that DNSMOS sees at once: 9.01 s
# Polynomials of dnsmos_local.py that map the network's outputs to MOS (Reddy et al. 2022)
_DNSMOS = {
    "sig": (0, (-0.08397278, 1.22083953, 0.0052439)),
    "bak": (1, (-0.13166888, 1.60915514, -0.39604546)),
    "ovrl": (2, (-0.06766283, 1.11546468, 0.04602535)),
}


def installed_dnsmos() -> str | None:
    """The network in Microsoft's package speechmos, if that is installed."""
    found = importlib.util.find_spec("speechmos")
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
    return str(path) if path.is_file() else None


@dataclass(frozen=True)
class Dnsmos:
    """DNSMOS P.835 of the degraded signal: `sig`, `bak` or `ovrl`, by Microsoft's sig_bak_ovr.onnx.

    The mean over windows of 9.01 s that start every second; shorter signals are repeated.
    """

    path: str
    scale: str = "ovrl"

    def __call__(self, reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
        signal = checked_pair(reference, degraded, sample_rate).at(RATE).degraded
        output, polynomial = _DNSMOS[self.scale]
        raw = _dnsmos_outputs(self.path, signal.tobytes())
        return float(np.polyval(polynomial, raw[:, output]).mean())


@lru_cache(maxsize=1)  # the three scales of a pair come from one run
def _dnsmos_outputs(path: str, samples: bytes) -> np.ndarray:
    """(windows, 3) outputs of the network."""
    signal = np.frombuffer(samples, dtype=np.float32)
    while len(signal) < _SEGMENT:
        signal = np.concatenate([signal, signal])
    windows = int(len(signal) // RATE - _SEGMENT / RATE) + 1  # of whole seconds, as its authors do
    starts = range(0, windows * RATE, RATE)
    network = load_network(path)
    return np.stack([network(signal[None, s : s + _SEGMENT]).ravel()[:3] for s in starts])


@dataclass(frozen=True)
class Utmos:
    """A predicted mean opinion score of the degraded signal: a network (1, time) -> score."""

    path: str

    def __call__(self, reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
        signal = checked_pair(reference, degraded, sample_rate).at(RATE).degraded
        score = float(np.mean(load_network(self.path)(signal[None])))
        if not np.isfinite(score):
            raise MetricFailure("the network's score is not finite")
        return score


@dataclass(frozen=True)
class SpeakerSimilarity:
    """Cosine of the two signals' speaker embeddings: a network (1, time) -> embedding."""

    path: str

    def __call__(self, reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
        pair = checked_pair(reference, degraded, sample_rate).at(RATE)
        network = load_network(self.path)
        real, fake = (
            network(signal[None]).astype(np.float64).ravel()
            for signal in (pair.reference, pair.degraded)
        )
        norms = np.linalg.norm(real) * np.linalg.norm(fake)
        if not (np.isfinite(norms) and norms > 0):
            raise MetricFailure("an embedding is zero or not finite")
        return float(real @ fake / norms)


@dataclass(frozen=True)
class WordErrorRate:
    """Word error rate of the degraded signal's transcript against the reference signal's.

    `function` is FILE.py:NAME, a function (waveform (time,) float32, sample_rate) -> str. Case and
    punctuation do not count. What the recogniser gets wrong in both is not the codec's error.
    """

    function: str

    def __call__(self, reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
        with extra("eval"):
            from torchaudio.functional import edit_distance  # torch takes seconds to load

        pair = checked_pair(reference, degraded, sample_rate).at(RATE)
        transcribe: Callable[[np.ndarray, int], str] = load_function(self.function)
        truth, heard = (_words(transcribe(s, RATE)) for s in (pair.reference, pair.degraded))
        if not truth:
            raise MetricFailure("no word is recognised in the reference")
        return edit_distance(truth, heard) / len(truth)


def _words(text: str) -> list[str]:
    return re.findall(r"[\w']+", text.lower())
