"""The distance of fine structure hears harmonics and nothing else."""

import math

import torch
from torch import Tensor

from audiocodec.losses.harmonic import HarmonicDistance, HarmonicDistanceConfig

RATE = 24_000
LOSS = HarmonicDistance(HarmonicDistanceConfig(), RATE)


def voice(pitch: float, phase: float = 0.0, gain: float = 1.0) -> Tensor:
    time = torch.arange(RATE) / RATE
    tones = [
        (2 * math.pi * n * pitch * time + phase * n * n).cos() for n in range(1, int(8000 / pitch))
    ]
    return gain * torch.stack(tones).sum(0).view(1, 1, -1)


def test_phases_and_level_do_not_matter() -> None:
    other = LOSS(voice(150), voice(190))
    assert LOSS(voice(150), voice(150)) == 0
    assert LOSS(voice(150), voice(150, phase=1.0, gain=0.3)) < 0.1 * other


def test_silence_has_a_finite_gradient() -> None:
    fake = torch.zeros(2, 1, RATE // 2, requires_grad=True)
    LOSS(torch.zeros(1, 1, RATE // 2), fake).backward()
    assert fake.grad is not None and torch.isfinite(fake.grad).all()
