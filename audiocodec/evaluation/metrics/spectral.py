"""Distances of spectra; smaller is better, 0 for identical signals.

librosa compiles for seconds when it is first used, so it is imported where it is used.
"""

import math

import numpy as np

from audiocodec.evaluation.signals import Pair, checked_pair
from audiocodec.extras import extra

FLOOR = 1e-5  # -100 dBFS under every logarithm
MEL_WINDOWS = (2048, 1024, 512)  # samples at the native rate, with these many bands:
MEL_BANDS = (80, 40, 20)
CEPSTRA = 13  # c1 ... c13; c0 is level


def mel_distance(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Mean over three resolutions of the L1 distance of natural-log mel magnitudes."""
    pair = checked_pair(reference, degraded, sample_rate)
    distances = []
    for n_fft, bands in zip(MEL_WINDOWS, MEL_BANDS, strict=True):
        real, fake = _log_mels(pair, n_fft, bands)
        distances.append(np.abs(real - fake).mean())
    return float(np.mean(distances))


def log_spectral_distance(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Root mean square over frequency of the difference in dB, mean over frames of 32 ms."""
    pair = checked_pair(reference, degraded, sample_rate)
    n_fft = _power_of_two(0.032 * sample_rate)
    real, fake = (
        20 * np.log10(np.maximum(_magnitudes(signal, n_fft), FLOOR))
        for signal in (pair.reference, pair.degraded)
    )
    return float(np.sqrt(np.square(real - fake).mean(axis=0)).mean())


def mel_cepstral_distortion(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """MCD in dB (Kubichek 1993), frame by frame: codecs keep time, so nothing is warped."""
    with extra("eval"):
        import librosa

    pair = checked_pair(reference, degraded, sample_rate)
    real, fake = (
        librosa.feature.mfcc(S=mel, n_mfcc=CEPSTRA + 1, norm="ortho")[1:]
        for mel in _log_mels(pair, _power_of_two(0.032 * sample_rate), 80)
    )
    distance = np.sqrt(np.square(real - fake).sum(axis=0)).mean()
    return float(10 * math.sqrt(2) / math.log(10) * distance)


def _log_mels(pair: Pair, n_fft: int, bands: int) -> list[np.ndarray]:
    with extra("eval"):
        import librosa

    filters = librosa.filters.mel(sr=pair.sample_rate, n_fft=n_fft, n_mels=bands)
    scale = 1 / filters.sum(axis=1, keepdims=True).clip(min=1e-9)  # each band averages its bins
    return [
        np.log(np.maximum((filters * scale) @ _magnitudes(signal, n_fft), FLOOR))
        for signal in (pair.reference, pair.degraded)
    ]


def _magnitudes(signal: np.ndarray, n_fft: int) -> np.ndarray:
    """(bins, frames); a full-scale sine has magnitude 1."""
    with extra("eval"):
        import librosa

    return np.abs(librosa.stft(signal, n_fft=n_fft, hop_length=n_fft // 4)) * (4 / n_fft)


def _power_of_two(samples: float) -> int:
    return int(2 ** round(math.log2(samples)))
