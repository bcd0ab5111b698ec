"""Mel filter banks and mel spectrograms, always in float32."""

import math
from typing import Literal

import torch
from torch import Tensor

from audiocodec.features.stft import PadMode, magnitude, stft

MelScale = Literal["htk", "slaney"]

_BREAK_HZ, _BREAK_MEL = 1000.0, 15.0  # Slaney's scale is linear below and logarithmic above
_LOG_STEP = math.log(6.4) / 27


def hz_to_mel(frequency: Tensor, scale: MelScale) -> Tensor:
    """Hz to mel: O'Shaughnessy's formula (HTK) or that of Slaney's Auditory Toolbox."""
    if scale == "htk":
        return 2595 * torch.log10(1 + frequency / 700)
    above = _BREAK_MEL + (frequency.clamp_min(_BREAK_HZ) / _BREAK_HZ).log() / _LOG_STEP
    return torch.where(frequency < _BREAK_HZ, frequency * (_BREAK_MEL / _BREAK_HZ), above)


def mel_to_hz(mel: Tensor, scale: MelScale) -> Tensor:
    """The inverse of `hz_to_mel`."""
    if scale == "htk":
        return 700 * (10 ** (mel / 2595) - 1)
    above = _BREAK_HZ * ((mel - _BREAK_MEL) * _LOG_STEP).exp()
    return torch.where(mel < _BREAK_MEL, mel * (_BREAK_HZ / _BREAK_MEL), above)


def mel_filters(
    sample_rate: int,
    n_fft: int,
    n_mels: int,
    scale: MelScale = "slaney",
    high: float | None = None,
    unit_area: bool = False,
) -> Tensor:
    """Triangular filters (n_fft / 2 + 1, n_mels) from 0 Hz to `high` (at most Nyquist).

    Their peaks are 1, or their areas over Hz if `unit_area` (librosa's `norm="slaney"`).
    """
    top = min(high or sample_rate / 2, sample_rate / 2)
    limit = hz_to_mel(torch.tensor(top, dtype=torch.float64), scale).item()
    edges = mel_to_hz(torch.linspace(0, limit, n_mels + 2, dtype=torch.float64), scale)
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64).unsqueeze(1)
    low, centre, upper = edges[:-2], edges[1:-1], edges[2:]
    rising, falling = (bins - low) / (centre - low), (upper - bins) / (upper - centre)
    filters = torch.minimum(rising, falling).clamp_min(0)
    return (filters * (2 / (upper - low)) if unit_area else filters).float()


def mel_spectrogram(
    waveform: Tensor,
    window: Tensor,
    hop_length: int,
    filters: Tensor,
    pad_mode: PadMode = "constant",
) -> Tensor:
    """Magnitude mel spectrogram (batch, frames, n_mels) of (batch, time)."""
    with torch.autocast(waveform.device.type, enabled=False):
        return magnitude(stft(waveform, window, hop_length, pad_mode)) @ filters
