"""Vector quantization in few dimensions and on the sphere (ViT-VQGAN, arXiv:2110.04627; DAC,
arXiv:2306.06546).

The latent is projected to `codebook_dim` dimensions, where the nearest code is searched, and the
code is projected back. Latents and codes have length 1 there, z' = P z / |P z| and e' = e / |e|, so
that the nearest code is the one of the largest cosine and no code is out of reach for its length.
The loss is that of van den Oord 2017 between z' and e'; the reconstruction trains both projections.
DAC searches by cosine as well but hands on codes of any length.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import Quantized, at_least_float32, from_frames, to_frames
from audiocodec.quantization.clustering import starting_rows
from audiocodec.quantization.explicit import (
    CodebookQuantizer,
    NearestConfig,
    random_rows,
)
from audiocodec.quantization.gradients import pass_gradient
from audiocodec.quantization.projections import fit_linear, principal_directions


@dataclass(frozen=True)
class FactorizedVQConfig(NearestConfig):
    codebook_dim: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.codebook_dim < 2:
            raise ConfigError(
                f"quantizer.codebook_dim is {self.codebook_dim}; give 2 or more: on the sphere of "
                "one dimension there are two codes"
            )


class FactorizedVQ(CodebookQuantizer):
    """One codebook of weights between two projections."""

    config: FactorizedVQConfig

    def __init__(self, config: FactorizedVQConfig, latent_dim: int) -> None:
        super().__init__(config, latent_dim)
        self.project_in = nn.Linear(latent_dim, config.codebook_dim)
        self.project_out = nn.Linear(config.codebook_dim, latent_dim)
        self.codebook = nn.Parameter(random_rows(config, config.codebook_dim))

    def inward(self, frames: Tensor) -> Tensor:
        return F.normalize(self.project_in(frames), dim=-1)

    def code_of(self, rows: Tensor) -> Tensor:
        return F.normalize(rows, dim=-1)

    def outward(self, codes: Tensor) -> Tensor:
        projected: Tensor = self.project_out(codes)
        return projected

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = at_least_float32(latent)
        codes = self.encode(latent)
        with torch.autocast(latent.device.type, enabled=False):
            low = self.inward(to_frames(latent))
            chosen = self.code_of(F.embedding(codes.movedim(1, -1).flatten(), self.codebook))
            passed = self.outward(pass_gradient(low, chosen, self.config.gradient))
            codebook = (chosen - low.detach()).square().mean()
            commitment = (low - chosen.detach()).square().mean()
        loss = codebook + self.config.commitment_weight * commitment
        scale = low.detach().var(0, correction=0).mean() if self.config.relative_loss else 1.0
        value = pass_gradient(from_frames(passed, latent), self.decode(codes), "straight_through")
        return Quantized(value, codes, loss / scale)

    def _start(self, frames: Tensor) -> None:
        """Principal directions, clusters of where they lead, and the best way back from there."""
        config = self.config
        mean, directions = principal_directions(frames, config.codebook_dim)
        self.project_in.weight.copy_(directions)
        self.project_in.bias.copy_(-directions @ mean)
        low = self.inward(frames)
        self.codebook.copy_(starting_rows(low, config.codebook_size, config.start, config.seed))
        fit_linear(self.project_out, low, frames)
