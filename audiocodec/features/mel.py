"""Mel filter banks and mel spectrograms, always in float32."""

from typing import Literal

import torch
from torch import Tensor
from torchaudio.functional import melscale_fbanks

from audiocodec.features.stft import stft

MAGNITUDE_FLOOR = 1e-7  # keeps the gradient of the square root finite in silence


def mel_filters(
    sample_rate: int, n_fft: int, n_mels: int, scale: Literal["htk", "slaney"], high: float | None
) -> Tensor:
    """Triangular filters (n_fft / 2 + 1, n_mels) from 0 Hz to `high` (default Nyquist)."""
    top = min(high or sample_rate / 2, sample_rate / 2)
    return melscale_fbanks(
        n_fft // 2 + 1, 0.0, top, n_mels, sample_rate, norm=None, mel_scale=scale
    )


def magnitude(spectrum: Tensor) -> Tensor:
    """|X| with a finite gradient at zero."""
    return (spectrum.real.square() + spectrum.imag.square() + MAGNITUDE_FLOOR**2).sqrt()


def mel_spectrogram(waveform: Tensor, window: Tensor, hop_length: int, filters: Tensor) -> Tensor:
    """Magnitude mel spectrogram (batch, frames, n_mels) of (batch, time)."""
    with torch.autocast(waveform.device.type, enabled=False):
        return magnitude(stft(waveform, window, hop_length)) @ filters
