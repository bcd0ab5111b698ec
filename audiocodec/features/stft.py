"""Short-time Fourier transforms for losses and discriminators, always in float32."""

import torch
from torch import Tensor
from torch.nn import functional as F


def frames_of(waveform: Tensor, n_fft: int, hop_length: int) -> Tensor:
    """Centred frames of (batch, time), zeros beyond the ends: (batch, frames, n_fft)."""
    return F.pad(waveform, (n_fft // 2, n_fft // 2)).unfold(-1, n_fft, hop_length)


def stft(waveform: Tensor, window: Tensor, hop_length: int) -> Tensor:
    """Complex spectrum (batch, frames, n_fft / 2 + 1) of (batch, time); n_fft = len(window)."""
    with torch.autocast(waveform.device.type, enabled=False):
        frames = frames_of(waveform.float(), window.shape[0], hop_length)
        return torch.fft.rfft(frames * window)
