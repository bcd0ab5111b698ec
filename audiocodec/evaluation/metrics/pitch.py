"""Fundamental frequency by CREPE (Kim et al. 2018, in torchcrepe), else by pYIN (in librosa).

CREPE with the settings of published V/UV F1 scores: full model, 50 to 550 Hz, frames of 10 ms,
voiced where periodicity is above 0.21 and the level above -60 dB. Neither is a default: pYIN takes
about half the signal's duration on a core, CREPE many times the duration without a GPU.
"""

import importlib.util
from functools import lru_cache

import numpy as np

from audiocodec.evaluation.signals import MetricFailure, checked_pair
from audiocodec.extras import extra

PYIN = "librosa.pyin"
RATE, HOP = 16_000, 160  # Hz, samples
LOW, HIGH = 50.0, 550.0  # Hz
PERIODICITY, SILENCE_DB = 0.21, -60.0
PYIN_FRAME = 1024  # samples

Track = tuple[np.ndarray, np.ndarray]  # F0 in Hz and whether voiced, (frames,) each


def backend() -> str:
    """The library that finds pitch here, the better one if it is installed."""
    return "torchcrepe" if importlib.util.find_spec("torchcrepe") else PYIN


def f0_rmse_cents(
    reference: np.ndarray, degraded: np.ndarray, sample_rate: int, library: str = ""
) -> float:
    """Root mean square error of F0 in cents over frames that are voiced in both signals.

    By `library`, or else by that which `backend` chooses.
    """
    tracks = _tracks(reference, degraded, sample_rate, library)
    (real, voiced_real), (fake, voiced_fake) = tracks
    both = voiced_real & voiced_fake
    if not both.any():
        raise MetricFailure("no frame is voiced in both signals")
    return float(1200 * np.sqrt(np.square(np.log2(fake[both] / real[both])).mean()))


def voicing_f1(
    reference: np.ndarray, degraded: np.ndarray, sample_rate: int, library: str = ""
) -> float:
    """F1 score of the voiced/unvoiced decision, the reference's being the truth.

    By `library`, or else by that which `backend` chooses.
    """
    (_, real), (_, fake) = _tracks(reference, degraded, sample_rate, library)
    if not real.any():
        raise MetricFailure("no frame of the reference is voiced")
    hits = float((real & fake).sum())
    return 2 * hits / float(real.sum() + fake.sum())


def _tracks(
    reference: np.ndarray, degraded: np.ndarray, sample_rate: int, library: str
) -> list[Track]:
    pair = checked_pair(reference, degraded, sample_rate).at(RATE)
    name = library or backend()
    return [_track(signal.tobytes(), name) for signal in (pair.reference, pair.degraded)]


@lru_cache(maxsize=2)  # both metrics of a pair ask for the same tracks
def _track(samples: bytes, name: str) -> Track:
    signal = np.frombuffer(samples, dtype=np.float32)
    return _crepe(signal) if name == "torchcrepe" else _pyin(signal)


def _crepe(signal: np.ndarray) -> Track:
    with extra("pitch"):
        import torch
        import torchcrepe

    audio = torch.tensor(signal).unsqueeze(0)
    with torch.inference_mode():
        f0, periodicity = torchcrepe.predict(
            audio, RATE, HOP, LOW, HIGH, model="full", batch_size=256, return_periodicity=True
        )
        loud = torchcrepe.threshold.Silence(SILENCE_DB)(periodicity, audio, RATE, HOP)
    return f0[0].numpy(), (loud[0] > PERIODICITY).numpy()


def _pyin(signal: np.ndarray) -> Track:
    with extra("eval"):
        import librosa

    f0, voiced, _ = librosa.pyin(
        signal, fmin=LOW, fmax=HIGH, sr=RATE, frame_length=PYIN_FRAME, hop_length=HOP
    )
    return f0, voiced
