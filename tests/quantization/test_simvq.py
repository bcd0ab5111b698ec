import pytest
import torch

from audiocodec.quantization.basis import basis_digest, gaussian_basis
from audiocodec.quantization.rate_distortion import codebook_map, water_level
from audiocodec.quantization.residual import ResidualSimVQ, ResidualSimVQConfig
from audiocodec.quantization.simvq import SimVQ, SimVQConfig
from audiocodec.quantization.usage import UsageCounter


def correlated(batch: int, dim: int, frames: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    scales = torch.logspace(0.5, -1.5, dim)
    mixing = torch.linalg.qr(torch.randn(dim, dim, generator=generator)).Q
    white = torch.randn(batch, frames, dim, generator=generator)
    return ((white * scales) @ mixing.T + 3.0).transpose(1, 2)


def test_the_basis_is_gaussian_and_the_same_everywhere():
    basis = gaussian_basis(4096, 64, seed=0)
    assert (
        basis_digest(basis) == "43ba7b88ada709c1"
    )  # every machine and version: codes depend on it
    white = (basis * 8).double()
    assert float(white.mean()) == pytest.approx(0, abs=0.01)
    assert float(white.var()) == pytest.approx(1, abs=0.01)
    assert float(white.pow(4).mean()) == pytest.approx(2.9, abs=0.05)
    covariance = white.T @ white / len(white)
    assert float((covariance - torch.eye(64)).abs().max()) < 0.1
    assert torch.equal(gaussian_basis(100, 64, seed=0), basis[:100])
    assert not torch.equal(gaussian_basis(100, 64, seed=1), basis[:100])


def test_water_filling_spends_exactly_the_bits():
    variances = torch.tensor([8.0, 2.0, 1.0, 0.25], dtype=torch.float64)
    for bits in (0.5, 3.0, 10.0):
        level = water_level(variances, bits)
        assert float((variances / level).clamp_min(1).log2().sum() / 2) == pytest.approx(bits)


def test_codes_start_with_the_covariance_of_an_optimal_codebook():
    latent = correlated(4, 6, 2000)
    bias, weight = codebook_map(latent.transpose(1, 2).flatten(0, 1), 1024)
    frames = latent.transpose(1, 2).flatten(0, 1).double()
    torch.testing.assert_close(bias, frames.mean(0))
    variances = torch.linalg.eigvalsh(torch.cov(frames.T))
    level = water_level(variances, 10.0)
    expected = (variances - level).clamp_min(0)
    torch.testing.assert_close(torch.linalg.eigvalsh(weight @ weight.T) / 6, expected)


def test_every_frame_gets_its_nearest_code():
    quantizer = SimVQ(SimVQConfig(codebook_size=64), latent_dim=6)
    latent = correlated(2, 6, 50)
    quantizer.initialize(latent)
    codes = quantizer.encode(latent)
    book = quantizer.decode(torch.arange(64).view(1, 1, -1))[0].T  # (64, 6)
    distance = torch.cdist(latent.transpose(1, 2).double(), book.double())
    assert torch.equal(codes[:, 0], distance.argmin(-1))


def test_training_decodes_what_stored_codes_decode_to():
    for quantizer in (
        SimVQ(SimVQConfig(codebook_size=64), 6),
        ResidualSimVQ(ResidualSimVQConfig(num_quantizers=4, codebook_size=32), 6),
    ):
        latent = correlated(2, 6, 50)
        quantizer.initialize(latent)
        quantized = quantizer(latent)
        torch.testing.assert_close(quantized.latent, quantizer.decode(quantized.codes))
        assert torch.equal(quantized.codes, quantizer.encode(latent))


def test_one_frame_moves_every_code():
    quantizer = SimVQ(SimVQConfig(codebook_size=32), latent_dim=4)
    before = quantizer.decode(torch.arange(32).view(1, 1, -1)).detach()
    latent = torch.tensor([[[1.0, 1.1], [0.3, 0.2], [-1.0, -1.2], [0.5, 0.4]]])
    quantizer(latent).loss.backward()
    with torch.no_grad():
        for parameter in quantizer.parameters():
            parameter -= 1e-3 * parameter.grad
    moved = (quantizer.decode(torch.arange(32).view(1, 1, -1)) - before).detach().abs().amax(1)
    assert float(moved.min()) > 0


def test_gradients_are_those_of_projecting_the_whole_codebook():
    quantizer = SimVQ(SimVQConfig(codebook_size=32), latent_dim=4)
    latent = correlated(2, 4, 20).requires_grad_()
    quantizer(latent).loss.backward()
    weight = quantizer.projection.weight.detach().clone().requires_grad_()
    bias = quantizer.projection.bias.detach().clone().requires_grad_()
    other = latent.detach().clone().requires_grad_()
    book = quantizer.basis @ weight.T + bias
    frames = other.transpose(1, 2)
    nearest = book[torch.cdist(frames, book).argmin(-1)]
    variance = other.detach().var(dim=(0, 2), correction=0).mean()
    loss = (nearest - frames.detach()).square().mean()
    loss = loss + 0.25 * (frames - nearest.detach()).square().mean()
    (loss / variance).backward()
    torch.testing.assert_close(quantizer.projection.weight.grad, weight.grad)
    torch.testing.assert_close(quantizer.projection.bias.grad, bias.grad)
    torch.testing.assert_close(latent.grad, other.grad)


def test_the_loss_does_not_depend_on_the_scale_of_the_latent():
    quantizer = SimVQ(SimVQConfig(codebook_size=64), latent_dim=6)
    losses = []
    for scale in (1e-3, 1.0, 1e3):
        quantizer.initialize(scale * correlated(2, 6, 500))
        losses.append(quantizer(scale * correlated(2, 6, 500)).loss.item())
    assert losses == pytest.approx([losses[1]] * 3, rel=1e-3)


def test_a_start_from_data_uses_nearly_all_codes_in_every_stage():
    quantizer = ResidualSimVQ(ResidualSimVQConfig(num_quantizers=4, codebook_size=256), 16)
    latent = correlated(8, 16, 1000)
    quantizer.initialize(latent)
    counter = UsageCounter(quantizer.codebook_sizes)
    counter.update(quantizer.encode(correlated(8, 16, 1000, seed=0)))
    assert min(stage.share for stage in counter.per_codebook()) > 0.9


def test_more_stages_are_closer_and_prefixes_are_shared():
    quantizer = ResidualSimVQ(ResidualSimVQConfig(num_quantizers=4, codebook_size=64), 8)
    latent = correlated(2, 8, 400)
    quantizer.initialize(latent)
    codes = quantizer.encode(latent)
    errors = [
        (quantizer.decode(codes[:, :n]) - latent).square().mean().item() for n in (1, 2, 3, 4)
    ]
    assert errors == sorted(errors, reverse=True) and len(set(errors)) == 4
    assert torch.equal(quantizer.encode(latent, 2), codes[:, :2])


def test_rows_may_use_different_numbers_of_stages():
    quantizer = ResidualSimVQ(ResidualSimVQConfig(num_quantizers=3, codebook_size=16), 4)
    latent = correlated(3, 4, 30)
    quantizer.initialize(latent)
    mixed = quantizer(latent, torch.tensor([1, 3, 2]))
    for row, stages in enumerate((1, 3, 2)):
        alone = quantizer.decode(mixed.codes[row : row + 1, :stages])
        torch.testing.assert_close(mixed.latent[row : row + 1], alone)
