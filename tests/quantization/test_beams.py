"""A beam search finds codes whose sum is nearer, each frame by itself."""

from itertools import product

import pytest
import torch

from audiocodec.quantization import QUANTIZERS
from audiocodec.quantization.base import Quantizer
from audiocodec.quantization.beams import best_sequences, has_sequences
from audiocodec.quantization.residual import ResidualSimVQConfig
from tests.conftest import build_codec

DIM = 6


def residual(stages: int, size: int) -> Quantizer:
    torch.manual_seed(0)
    quantizer = QUANTIZERS.build(
        ResidualSimVQConfig(num_quantizers=stages, codebook_size=size), DIM
    )
    quantizer.initialize(torch.randn(1, DIM, 400))
    return quantizer.double().eval()


def latents(batch: int = 2, frames: int = 50) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(batch, DIM, frames, dtype=torch.float64, generator=generator)


def errors(quantizer: Quantizer, latent: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    return (quantizer.decode(codes) - latent).square().sum(1)


def test_one_beam_takes_the_nearest_code_of_each_stage() -> None:
    quantizer, latent = residual(3, 64), latents()
    codes = best_sequences(latent, quantizer.vectors(), 1)
    assert torch.equal(codes, quantizer.encode(latent))


def test_as_many_beams_as_codes_find_the_best_pair() -> None:
    quantizer, latent = residual(2, 8), latents(1, 20)
    pairs = torch.tensor(list(product(range(8), repeat=2))).T  # (2, 64)
    sums = quantizer.decode(pairs.unsqueeze(0))[0].T
    best = torch.cdist(latent[0].T, sums).argmin(1)
    assert torch.equal(best_sequences(latent, quantizer.vectors(), 8)[0], pairs[:, best])


@pytest.mark.parametrize("size", [64, 48])  # in parts of 32 codes, and as they are
def test_more_beams_come_nearer(size: int) -> None:
    quantizer, latent = residual(4, size), latents(2, 200)
    found = [best_sequences(latent, quantizer.vectors(), beams) for beams in (1, 4, 16)]
    one, four, sixteen = (errors(quantizer, latent, codes) for codes in found)
    assert sixteen.mean() < four.mean() < 0.97 * one.mean()


def test_frames_are_searched_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    quantizer, latent = residual(3, 64), latents(3, 40)
    vectors = quantizer.vectors()
    together = best_sequences(latent, vectors, 4)
    assert torch.equal(together[1:2, :, 7:8], best_sequences(latent[1:2, :, 7:8], vectors, 4))
    monkeypatch.setattr("audiocodec.quantization.beams._SCORES", 64 * 4 * 7)
    assert torch.equal(best_sequences(latent, vectors, 4), together)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"kind": "residual", "num_quantizers": 2, "codebook_size": 16}, True),
        ({"kind": "rq", "num_quantizers": 2, "codebook_size": 16}, True),
        ({"kind": "residual", "num_quantizers": 1, "codebook_size": 16}, False),
        ({"kind": "stack", "num_quantizers": 2, "stage": {"kind": "fsq"}}, False),
        ({"kind": "stack", "num_quantizers": 2, "stage": {"kind": "factorized_vq"}}, False),
        ({"kind": "stack", "num_quantizers": 2, "stage": {"kind": "ema_vq"}}, True),
        ({"kind": "qinco", "num_quantizers": 2, "codebook_size": 16}, False),
    ],
)
def test_only_nearest_codes_that_add_up_are_sequences(
    given: dict[str, object], expected: bool
) -> None:
    assert has_sequences(build_codec(quantizer=given).quantizer) is expected
