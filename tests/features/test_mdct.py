"""Tables of lapped transforms."""

import pytest
import torch

from audiocodec.features.mdct import exact_tables, one_period, rounded_analysis


@pytest.mark.parametrize("hop", [1, 5, 320])
def test_quarters_of_the_period_are_the_same_digits(hop: int) -> None:
    wave, half = one_period(hop), 4 * hop
    assert torch.equal(wave[1:], wave[1:].flip(0))
    assert torch.equal(wave[: half + 1], -wave[: half + 1].flip(0))
    angles = torch.arange(2 * half, dtype=torch.float64) * torch.pi / half
    assert torch.allclose(wave, angles.cos() * (2 / hop) ** 0.5, atol=1e-15)


@pytest.mark.parametrize("hop", [1, 5, 320])
def test_rounded_waves_are_float32_under_an_exact_window(hop: int) -> None:
    device = torch.device("cpu")
    rounded, (_, exact) = rounded_analysis(hop, device), exact_tables(hop, 0, device)
    assert (rounded - exact).abs().max() <= 2.0**-24 * (2 / hop) ** 0.5
    waves = (
        rounded / torch.sin(torch.pi / 2 / hop * (torch.arange(2 * hop).double() + 0.5))[:, None]
    )
    assert torch.allclose(waves, waves.float().double(), rtol=1e-14, atol=0)
