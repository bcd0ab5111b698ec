"""Fundamental frequency by pYIN (Mauch and Dixon 2014, in librosa); slow, so not a default."""

from functools import lru_cache

import librosa
import numpy as np

from audiocodec.evaluation.signals import MetricFailure, Pair, checked_pair

RATE, LOW, HIGH = 16_000, 50.0, 550.0  # Hz
FRAME, HOP = 1024, 160


def f0_rmse_cents(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Root mean square error of F0 in cents over frames that are voiced in both signals."""
    (real, voiced_real), (fake, voiced_fake) = _tracks(reference, degraded, sample_rate)
    both = voiced_real & voiced_fake
    if not both.any():
        raise MetricFailure("no frame is voiced in both signals")
    return float(1200 * np.sqrt(np.square(np.log2(fake[both] / real[both])).mean()))


def voicing_f1(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """F1 score of the voiced/unvoiced decision, the reference's being the truth."""
    (_, real), (_, fake) = _tracks(reference, degraded, sample_rate)
    if not real.any():
        raise MetricFailure("no frame of the reference is voiced")
    hits = float((real & fake).sum())
    return 2 * hits / float(real.sum() + fake.sum())


def _tracks(
    reference: np.ndarray, degraded: np.ndarray, sample_rate: int
) -> list[tuple[np.ndarray, np.ndarray]]:
    pair: Pair = checked_pair(reference, degraded, sample_rate).at(RATE)
    return [_track(signal.tobytes()) for signal in (pair.reference, pair.degraded)]


@lru_cache(maxsize=2)  # both metrics of a pair ask for the same tracks
def _track(samples: bytes) -> tuple[np.ndarray, np.ndarray]:
    f0, voiced, _ = librosa.pyin(
        np.frombuffer(samples, dtype=np.float32),
        fmin=LOW,
        fmax=HIGH,
        sr=RATE,
        frame_length=FRAME,
        hop_length=HOP,
    )
    return f0, voiced
