"""Losses of recordings that hold no high frequencies must not teach that there are none."""

import torch
from torch import Tensor

_EDGE = 0.1  # of the bandwidth, over which the limit sets in: resamplers roll off there


def band_limited(waveform: Tensor, bandwidth: Tensor, sample_rate: int) -> Tensor:
    """Rows of (batch, 1, time) without what lies above `bandwidth` (batch,), in Hz.

    Applied to real and fake alike: what the fake has above the limit has no gradient. A row whose
    bandwidth is half the sample rate stays whole.
    """
    time = waveform.shape[-1]
    frequency = torch.linspace(0, sample_rate / 2, time // 2 + 1, device=waveform.device)
    limit = bandwidth.unsqueeze(1)
    falling = ((limit - frequency) / (_EDGE * limit)).clamp(0, 1)
    gain = torch.where(limit < sample_rate / 2, falling, 1.0).unsqueeze(1)
    return torch.fft.irfft(torch.fft.rfft(waveform) * gain, time)
