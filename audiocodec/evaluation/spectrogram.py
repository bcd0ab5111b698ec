"""Short-time spectra as pictures show them."""

import numpy as np

RANGE_DB = 80  # below the loudest


def magnitudes(signal: np.ndarray, size: int, hop: int) -> np.ndarray:
    """(size // 2 + 1, frames) of (time,) under Hann windows of `size` samples, `hop` apart."""
    frames = np.lib.stride_tricks.sliding_window_view(signal, size)[::hop]
    return np.abs(np.fft.rfft(frames * np.hanning(size))).T


def levels(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """(frequencies, frames) of (time,), low ones first: 1 is the loudest, 0 is 80 dB less."""
    size = max(64, int(2 ** np.round(np.log2(0.02 * sample_rate))))
    padded = np.pad(waveform, (0, max(0, size - len(waveform))))
    decibels = 20 * np.log10(np.maximum(magnitudes(padded, size, size // 2), 1e-5))
    return np.clip((decibels - decibels.max()) / RANGE_DB + 1, 0, 1)
