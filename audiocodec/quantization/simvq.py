"""SimVQ: codes are one learned affine map of a frozen random basis (arXiv:2411.02038).

Code k is `W basis[k] + b`. Every frame moves W and b, hence every code, chosen or not: no code can
die alone, which is how plain vector quantizers collapse.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import Quantized, Quantizer
from audiocodec.quantization.basis import gaussian_basis
from audiocodec.quantization.rate_distortion import codebook_map


@dataclass(frozen=True)
class SimVQConfig:
    codebook_size: int = 4096
    commitment_weight: float = 0.25  # encoder side; the codebook side weighs 1
    seed: int = 0  # of the basis

    def __post_init__(self) -> None:
        if self.codebook_size < 2:
            raise ConfigError(f"quantizer.codebook_size is {self.codebook_size}; give 2 or more")


def latent_variance(latent: Tensor) -> Tensor:
    """Variance of a latent (batch, latent_dim, frames) over batch and time, mean of dimensions."""
    return latent.detach().var(dim=(0, 2), correction=0).mean().clamp_min(1e-8)


class SimVQ(Quantizer):
    """One codebook; `latent` is (batch, latent_dim, frames), `codes` (batch, 1, frames).

    The loss is relative to the variance of the latent, so that neither its scale nor the number of
    dimensions changes what a weight means, and shrinking the latent gains nothing.
    """

    basis: Tensor

    def __init__(self, config: SimVQConfig, latent_dim: int) -> None:
        super().__init__()
        self.config = config
        self.codebook_sizes = (config.codebook_size,)
        basis = gaussian_basis(config.codebook_size, latent_dim, config.seed)
        self.register_buffer("basis", basis, persistent=False)  # the seed is enough
        self.projection = nn.Linear(latent_dim, latent_dim)

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = latent.to(self.basis.dtype)
        codes = self.encode(latent)
        nearest = self.decode(codes)
        loss = self.loss(latent, nearest, latent_variance(latent))
        return Quantized(latent + (nearest - latent).detach(), codes, loss)  # straight-through

    def loss(
        self, latent: Tensor, nearest: Tensor, variance: Tensor, weight: Tensor | float = 1.0
    ) -> Tensor:
        """Codebook and commitment terms of the paper over `variance`, a scalar.

        `weight`, broadcast against the latent, excludes what is not quantized by this stage.
        """
        codebook = (weight * (nearest - latent.detach()).square()).mean()
        commitment = (weight * (latent - nearest.detach()).square()).mean()
        return (codebook + self.config.commitment_weight * commitment) / variance

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        # Relative to the bias and never in half precision: the offset shared by all codes would
        # use up the mantissa and wrong neighbours would win. The query is mapped, not the book.
        with torch.autocast(latent.device.type, enabled=False):
            weight, bias = self.projection.weight, self.projection.bias
            frames = latent.to(self.basis.dtype).transpose(1, 2) - bias
            codebook = self.basis @ weight.T
            scores = codebook.square().sum(-1) - 2 * (frames @ weight) @ self.basis.T
        return scores.argmin(-1).unsqueeze(1)

    def decode(self, codes: Tensor) -> Tensor:
        # Gather rows, then project: the gradient of the whole projected codebook is the same.
        with torch.autocast(codes.device.type, enabled=False):
            rows = F.embedding(codes.squeeze(1), self.basis)
            nearest: Tensor = self.projection(rows).transpose(1, 2)
        return nearest

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        bias, weight = codebook_map(latent.transpose(1, 2).flatten(0, 1), self.config.codebook_size)
        self.projection.bias.copy_(bias)
        self.projection.weight.copy_(weight)
