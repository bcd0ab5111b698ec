"""The distance of loudness hears what ears hear: nothing below the threshold, additions most."""

import math

import torch
from torch import Tensor

from audiocodec.losses.loudness import LoudnessDistance, LoudnessDistanceConfig

RATE = 24_000
LOSS = LoudnessDistance(LoudnessDistanceConfig(), RATE)
TIME = torch.arange(RATE) / RATE


def voice(pitch: float = 150.0) -> Tensor:
    tones = [(2 * math.pi * n * pitch * TIME).cos() / n for n in range(1, int(8000 / pitch))]
    return 0.05 * torch.stack(tones).sum(0).view(1, 1, -1)


def tone(frequency: float, gain: float) -> Tensor:
    return gain * (2 * math.pi * frequency * TIME).sin().view(1, 1, -1)


def test_ten_decibels_more_are_1_7_times_as_loud() -> None:
    loud, level = 1e-2, torch.tensor([1e-2])
    total = [
        LOSS._loudness(LOSS._intensity(tone(1000, gain), level)).sum(-1).median()
        for gain in (loud, loud * math.sqrt(10))
    ]
    assert 10**0.22 < total[1] / total[0] < 10**0.25


def test_what_is_below_the_threshold_of_hearing_costs_nothing() -> None:
    exact = LOSS(voice(), voice())
    assert exact < 0.03
    assert (
        LOSS(voice(), voice() + tone(50, 2e-5)) - exact
        < 0.01
        < LOSS(voice(), voice() + tone(3300, 5e-3))
    )


def test_an_addition_disturbs_more_than_the_same_omission() -> None:
    more = voice() + tone(3300, 0.02) * (TIME > 0.5)
    assert LOSS(voice(), more) > 1.5 * LOSS(more, voice())


def test_a_constant_gain_disturbs_far_less_than_a_changing_one() -> None:
    changing = 10 ** (0.3 * (2 * math.pi * 6 * TIME).sin())
    assert LOSS(voice(), 2 * voice()) < 0.2 * LOSS(voice(), changing * voice())


def test_silence_has_a_finite_gradient() -> None:
    for real in (torch.zeros(1, 1, RATE // 2), voice()[..., : RATE // 2]):
        fake = torch.zeros(2, 1, RATE // 2, requires_grad=True)
        LOSS(real, fake).backward()
        assert fake.grad is not None and torch.isfinite(fake.grad).all()
