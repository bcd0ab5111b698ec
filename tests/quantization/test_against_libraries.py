"""The same as vector-quantize-pytorch, on equal weights, where it has the layer."""

import pytest
import torch
from torch import Tensor

from audiocodec.quantization.bsq import BSQ, BSQConfig
from audiocodec.quantization.ema_vq import EmaVQ, EmaVQConfig
from audiocodec.quantization.factorized_vq import FactorizedVQ, FactorizedVQConfig
from audiocodec.quantization.fsq import FSQ, FSQConfig
from audiocodec.quantization.gradients import pass_gradient
from audiocodec.quantization.lfq import LFQ, LFQConfig
from audiocodec.quantization.rq import RQ, RQConfig

layers = pytest.importorskip("vector_quantize_pytorch")

CODES, DIM = 32, 6


@pytest.fixture
def latent() -> Tensor:
    return torch.randn(2, DIM, 80, generator=torch.Generator().manual_seed(0))


def last(latent: Tensor) -> Tensor:
    return latent.transpose(1, 2)


def same_linear(ours: torch.nn.Linear, theirs: torch.nn.Linear) -> None:
    theirs.load_state_dict(ours.state_dict())


def test_three_steps_of_moving_averages(latent):
    config = EmaVQConfig(CODES, decay=0.9, replace_below=0.0, relative_loss=False)
    ours = EmaVQ(config, DIM)
    theirs = layers.VectorQuantize(
        DIM, CODES, decay=0.9, eps=1e-12, commitment_weight=0.25, rotation_trick=False
    )
    theirs._codebook.embed.data.copy_(ours.codebook)
    theirs._codebook.embed_avg.data.copy_(ours.codebook)
    theirs._codebook.cluster_size.data.fill_(1.0)
    for step in range(3):
        own = ours(latent)
        quantized, codes, loss = theirs(last(latent))
        ours.after_step(step)
        assert torch.equal(own.codes[:, 0], codes)
        torch.testing.assert_close(last(own.latent), quantized)
        torch.testing.assert_close(own.loss, loss.squeeze())
    torch.testing.assert_close(ours.codebook, theirs.codebook, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours.cluster_size, theirs._codebook.cluster_size[0])


def test_the_rotation_trick(latent):
    ours, theirs = latent.clone().requires_grad_(), latent.clone().requires_grad_()
    layer = layers.VectorQuantize(DIM, CODES, rotation_trick=True, ema_update=False)
    quantized, _, _ = layer.train()(last(theirs))
    upstream = torch.randn(latent.shape, generator=torch.Generator().manual_seed(1))
    (last(quantized) * upstream).sum().backward()
    (pass_gradient(ours, last(quantized).detach(), "rotation") * upstream).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, atol=1e-4, rtol=1e-3)


def test_codes_by_cosine_in_few_dimensions(latent):
    ours = FactorizedVQ(FactorizedVQConfig(CODES, codebook_dim=3), DIM)
    theirs = layers.VectorQuantize(
        DIM, CODES, codebook_dim=3, use_cosine_sim=True, ema_update=False, rotation_trick=False
    )
    same_linear(ours.project_in, theirs.project_in)
    same_linear(ours.project_out, theirs.project_out)
    theirs._codebook.embed.data.copy_(ours.code_of(ours.codebook))
    quantized, codes, _ = theirs.eval()(last(latent))
    own = ours.eval()(latent)
    assert torch.equal(own.codes[:, 0], codes)
    torch.testing.assert_close(last(own.latent), quantized)


@pytest.mark.parametrize("levels", [(8, 5, 3), (7, 5, 5, 5, 5), (4,)])
def test_finite_scalars(latent, levels):
    ours = FSQ(FSQConfig(levels), DIM)
    theirs = layers.FSQ(list(levels), dim=DIM)
    same_linear(ours.project_in, theirs.project_in)
    same_linear(ours.project_out, theirs.project_out)
    quantized, codes = theirs(3 * last(latent))
    own = ours(3 * latent)
    assert torch.equal(own.codes[:, 0], codes.long())
    torch.testing.assert_close(last(own.latent), quantized)


@pytest.mark.parametrize("spherical", [False, True])
def test_signs_and_their_entropies(latent, spherical):
    options = LFQConfig(64, temperature=0.5, entropy_weight=1.0, commitment_weight=0.0)
    ours = LFQ(options, DIM)
    if spherical:
        ours = BSQ(BSQConfig(64, temperature=0.5, entropy_weight=1.0, commitment_weight=0.0), DIM)
    theirs = layers.LFQ(
        dim=DIM,
        codebook_size=64,
        entropy_loss_weight=1.0,
        spherical=spherical,
        has_projections=True,
    )
    same_linear(ours.project_in, theirs.project_in)
    same_linear(ours.project_out, theirs.project_out)
    (quantized, codes, loss), _ = theirs(
        last(latent), inv_temperature=2.0, return_loss_breakdown=True
    )
    own = ours(latent)
    flipped = sum(((codes >> bit) & 1) << (5 - bit) for bit in range(6))  # their first bit is high
    assert torch.equal(own.codes[:, 0], flipped)
    torch.testing.assert_close(last(own.latent), quantized)
    torch.testing.assert_close(6 * own.loss, loss, atol=1e-4, rtol=1e-4)


def test_one_codebook_for_all_stages(latent):
    ours = RQ(RQConfig(CODES, num_quantizers=3), DIM)
    theirs = layers.ResidualVQ(
        dim=DIM, num_quantizers=3, codebook_size=CODES, shared_codebook=True
    ).eval()
    for layer in theirs.layers:
        layer._codebook.embed.data.copy_(ours.shared.codebook)
    quantized, codes, _ = theirs(last(latent))
    own = ours.eval()(latent)
    assert torch.equal(own.codes.transpose(1, 2), codes)
    torch.testing.assert_close(last(own.latent), quantized)
