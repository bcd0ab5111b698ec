"""The correlation of envelopes is 1 - STOI."""

import numpy as np
import pystoi
import pytest
import torch

from audiocodec.losses.intelligibility import EnvelopeCorrelation, EnvelopeCorrelationConfig

RATE = 10_000  # that of STOI itself
LOSS = EnvelopeCorrelation(EnvelopeCorrelationConfig(), RATE)


def babble(seed: int) -> np.ndarray:
    """Noise whose bands swell and fade on their own, 3 s."""
    random = np.random.default_rng(seed)
    time = np.arange(3 * RATE) / RATE
    total = np.zeros_like(time)
    for centre in 150 * 2 ** (np.arange(15) / 3):
        rate, phase = random.uniform(2, 6), random.uniform(0, 2 * np.pi)
        swell = 0.1 + (1 + np.sin(2 * np.pi * rate * time + phase)) ** 2
        total += swell * np.sin(2 * np.pi * centre * time + 3 * np.sin(2 * np.pi * 20 * time))
    return 0.02 * total


@pytest.mark.parametrize("level", [-20, -5, 5])
def test_it_is_one_less_stoi(level: float) -> None:
    clean = babble(0)
    noise = np.random.default_rng(1).standard_normal(len(clean)) * clean.std() * 10 ** (level / 20)
    mixed = clean + noise
    pair = (torch.from_numpy(x).float().view(1, 1, -1) for x in (clean, mixed))
    assert 1 - LOSS(*pair).item() == pytest.approx(pystoi.stoi(clean, mixed, RATE), abs=0.02)


def test_level_does_not_matter_and_two_draws_are_their_mean() -> None:
    clean, other = (torch.from_numpy(babble(seed)).float().view(1, 1, -1) for seed in (0, 1))
    assert LOSS(clean, 0.3 * clean) < 1e-3
    both = LOSS(clean, torch.cat([clean, other]))
    torch.testing.assert_close(both, (LOSS(clean, clean) + LOSS(clean, other)) / 2)


def test_silence_costs_nothing_and_short_crops_are_one_segment() -> None:
    for real in (torch.zeros(1, 1, RATE), torch.from_numpy(babble(0)[:500]).float().view(1, 1, -1)):
        fake = torch.zeros_like(real, requires_grad=True)
        loss = LOSS(real, fake)
        loss.backward()
        assert fake.grad is not None and torch.isfinite(fake.grad).all()
        assert (loss == 0) == bool((real == 0).all())
