"""Distances of several draws."""

import math

import pytest
import torch

from audiocodec.losses.distance import (
    energy_distance,
    mean_absolute,
    squared_energy_distance,
)


def test_one_draw_is_the_mean_absolute_difference() -> None:
    fake, real = torch.randn(2, 5, 7)
    assert torch.equal(energy_distance(fake, real), mean_absolute(fake, real))


def test_draws_of_the_right_spread_are_better_than_none_or_too_much() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(1, 200_000, generator=generator)
    noise = torch.randn(2, 200_000, generator=generator)
    found = {spread: float(energy_distance(spread * noise, real)) for spread in (0.0, 1.0, 2.0)}
    # E|N(0, s^2)| is s sqrt(2 / pi), with s^2 = 1 + spread^2 to the real, 2 spread^2 between fakes.
    for spread, distance in found.items():
        expected = (math.sqrt(1 + spread**2) - spread / math.sqrt(2)) * math.sqrt(2 / math.pi)
        assert distance == pytest.approx(expected, abs=5e-3)
    assert found[1.0] < min(found[0.0], found[2.0])


def test_the_gradient_pulls_to_the_real_and_pushes_draws_apart() -> None:
    real = torch.tensor([[0.0]])
    fake = torch.tensor([[1.0], [3.0]], requires_grad=True)
    energy_distance(fake, real).backward()
    # of the mean over two rows: towards 0 for both, and away from the other
    assert fake.grad.flatten().tolist() == [1.0, 0.0]


def test_squares_of_two_draws_see_the_mean_of_the_fakes_only() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(1, 200_000, generator=generator)
    noise = torch.randn(2, 200_000, generator=generator)
    for share in (0.0, 0.5, 1.0):
        found = float(squared_energy_distance(share * real + noise, real))
        assert found == pytest.approx((1 - share) ** 2, abs=2e-2)
    assert float(squared_energy_distance(real, real)) == 0.0


def test_a_weak_repulsion_prefers_the_steady() -> None:
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(1, 200_000, generator=generator)
    noise = torch.randn(2, 200_000, generator=generator)
    limit = 2 - math.sqrt(2)
    for repulsion, steady_is_better in ((limit - 0.1, True), (limit + 0.1, False)):
        steady, noisy = (energy_distance(s * noise, real, repulsion) for s in (0.0, 1.0))
        assert bool(steady < noisy) == steady_is_better
