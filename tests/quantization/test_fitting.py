"""Fitting a codebook's map to data: exact where an answer is known, of use where mean and
covariance mislead."""

import pytest
import torch
from torch import Tensor

from audiocodec.errors import ModelError
from audiocodec.quantization.basis import gaussian_basis
from audiocodec.quantization.fitting import fit_map
from audiocodec.quantization.rate_distortion import codebook_map
from audiocodec.quantization.simvq import SimVQ, SimVQConfig

CODES, DIM, FRAMES = 256, 16, 2500


def speech_like(seed: int, silent: float = 0.3) -> Tensor:
    """(frames, dim): a correlated Gaussian, its rank low, and silence: a small cluster far off."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator)).Q
    scales = torch.exp(-torch.arange(DIM) / 3)
    white = torch.randn(FRAMES, DIM, generator=generator)
    frames = white * scales
    count = int(silent * FRAMES)
    frames[:count] *= 0.02
    frames[:count, :3] += torch.tensor([2.0, -1.5, 0.7])
    return frames[torch.randperm(FRAMES, generator=generator)] @ mixing.T + 1.0


def used_and_error(frames: Tensor, codes: Tensor) -> tuple[float, float]:
    squares = torch.cdist(frames.double(), codes).square()
    nearest, chosen = squares.min(1)
    return len(chosen.unique()) / len(codes), float(nearest.mean())


def codes_of(basis: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    codes = basis.double() @ weight.T
    return codes if bias is None else codes + bias


@pytest.mark.parametrize("seed", range(4))
def test_silence_costs_neither_codes_nor_accuracy(seed):
    frames, basis = speech_like(seed), gaussian_basis(CODES, DIM, seed)
    bias, weight = codebook_map(frames, CODES)
    before = used_and_error(frames, codes_of(basis, weight, bias))
    after = used_and_error(frames, codes_of(basis, *fit_map(frames, basis, weight, bias)))
    assert before[0] < 0.9 < 0.93 < after[0]
    assert after[1] < 0.9 * before[1]


@pytest.mark.parametrize("centred", [True, False])
def test_a_map_that_explains_all_frames_is_found(centred):
    torch.manual_seed(0)
    basis = gaussian_basis(CODES, DIM, 0)
    weight = torch.linalg.qr(torch.randn(DIM, DIM, dtype=torch.float64)).Q
    bias = torch.randn(DIM, dtype=torch.float64) if centred else None
    frames = codes_of(basis, weight, bias)
    start = weight + 0.15 * torch.randn(DIM, DIM, dtype=torch.float64)
    assert used_and_error(frames, codes_of(basis, start, bias))[0] < 1
    found = fit_map(frames.repeat(4, 1)[torch.randperm(4 * CODES)], basis, start, bias, enough=2.0)
    torch.testing.assert_close(found[0], weight, rtol=0, atol=1e-4)
    assert (found[1] is None) is (bias is None)


def test_a_start_that_is_good_enough_is_kept():
    basis = gaussian_basis(CODES, DIM, 0)
    frames = torch.randn(20 * CODES, DIM)
    bias, weight = codebook_map(frames, CODES)
    fitted = fit_map(frames, basis, weight, bias)
    assert torch.equal(fitted[0], weight.double()) and torch.equal(fitted[1], bias.double())


def test_too_few_frames_leave_the_start_alone():
    frames = speech_like(0)[: 4 * CODES - 1]
    bias, weight = codebook_map(frames, CODES)
    fitted = fit_map(frames, gaussian_basis(CODES, DIM, 0), weight, bias)
    assert torch.equal(fitted[0], weight.double())


@pytest.mark.parametrize("latent", [torch.zeros(1, 4, 50), torch.full((1, 4, 50), 7.0)])
def test_latents_without_spread_start_without_nan(latent):
    quantizer = SimVQ(SimVQConfig(codebook_size=8), 4)
    quantizer.initialize(latent)
    assert all(torch.isfinite(weight).all() for weight in quantizer.parameters())
    assert quantizer.decode(quantizer.encode(latent)).sub(latent).detach().abs().max() < 1e-4


def test_latents_that_are_not_finite_are_refused():
    latent = torch.full((1, 4, 50), torch.nan)
    with pytest.raises(ModelError, match="not finite"):
        SimVQ(SimVQConfig(codebook_size=8), 4).initialize(latent)
