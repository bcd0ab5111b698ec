"""Residual SimVQ: each stage quantizes what the stages before it left (arXiv:2107.03312).

Training with a random number of stages a row (quantizer dropout) makes one model serve every
bitrate: the first n rows of the codes are a codec of n stages.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import Quantized, Quantizer
from audiocodec.quantization.simvq import SimVQ, SimVQConfig, latent_variance


@dataclass(frozen=True)
class ResidualSimVQConfig:
    num_quantizers: int = 8
    codebook_size: int = 1024
    commitment_weight: float = 0.25
    seed: int = 0  # stage i draws its basis from seed + i

    def __post_init__(self) -> None:
        if self.num_quantizers < 1:
            raise ConfigError(f"quantizer.num_quantizers is {self.num_quantizers}; give 1 or more")


class ResidualSimVQ(Quantizer):
    """A stack of `SimVQ`; `codes` is (batch, num_quantizers, frames), coarse to fine."""

    def __init__(self, config: ResidualSimVQConfig, latent_dim: int) -> None:
        super().__init__()
        self.config = config
        self.codebook_sizes = (config.codebook_size,) * config.num_quantizers
        self.stages = nn.ModuleList(
            SimVQ(
                SimVQConfig(config.codebook_size, config.commitment_weight, config.seed + stage),
                latent_dim,
            )
            for stage in range(config.num_quantizers)
        )

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        residual = latent.to(torch.promote_types(latent.dtype, torch.float32))
        active = self._active(num_quantizers, residual)  # (stages, batch, 1, 1)
        total, loss = torch.zeros_like(residual), residual.new_zeros(())
        variance = latent_variance(residual)
        codes = []
        for stage, weight in zip(self._stages(), active, strict=True):
            stage_codes = stage.encode(residual)
            nearest = stage.decode(stage_codes)
            loss = loss + stage.loss(residual, nearest, variance, weight)
            total = total + (weight * nearest).detach()
            residual = residual - nearest.detach()
            codes.append(stage_codes)
        return Quantized(latent + (total - latent).detach(), torch.cat(codes, dim=1), loss)

    def _stages(self) -> Any:
        return self.stages

    def _active(self, num_quantizers: int | Tensor | None, like: Tensor) -> Tensor:
        count = self.num_quantizers if num_quantizers is None else num_quantizers
        counts = torch.as_tensor(count, device=like.device).expand(like.shape[0])
        stages = torch.arange(self.num_quantizers, device=like.device).unsqueeze(1)
        return (stages < counts).to(like.dtype)[..., None, None]

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        residual, codes = latent, []
        for stage in list(self._stages())[: num_quantizers or self.num_quantizers]:
            codes.append(stage.encode(residual))
            residual = residual - stage.decode(codes[-1])
        return torch.cat(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        latents = [
            stage.decode(codes[:, index : index + 1])
            for index, stage in enumerate(list(self._stages())[: codes.shape[1]])
        ]
        return torch.stack(latents).sum(0)

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        residual = latent
        for stage in self._stages():
            stage.initialize(residual)
            residual = residual - stage.decode(stage.encode(residual))
