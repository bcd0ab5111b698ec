"""Residual SimVQ: each stage quantizes what the stages before it left (arXiv:2107.03312).

Training with a random number of stages a row (quantizer dropout) makes one model serve every
bitrate: the first n rows of the codes are a codec of n stages.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import Quantized
from audiocodec.quantization.gradients import pass_gradient
from audiocodec.quantization.simvq import SimVQ, SimVQConfig
from audiocodec.quantization.stages import ResidualStages, active_stages


@dataclass(frozen=True)
class ResidualSimVQConfig(SimVQConfig):
    """The options of one stage, for all of them; stage i draws its basis from seed + i."""

    codebook_size: int = 1024
    num_quantizers: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_quantizers < 1:
            raise ConfigError(f"quantizer.num_quantizers is {self.num_quantizers}; give 1 or more")
        if self.distance == "cosine":
            raise ConfigError(
                "quantizer.distance cosine gives codes of length 1, which cannot add up to what "
                "earlier stages left; use euclidean"
            )

    def stage(self, index: int) -> SimVQConfig:
        """The configuration of one stage."""
        options = {field.name: getattr(self, field.name) for field in fields(SimVQConfig)}
        return SimVQConfig(**options | {"seed": self.seed + index})


class ResidualSimVQ(ResidualStages):
    """A stack of `SimVQ`; `codes` is (batch, num_quantizers, *positions), coarse to fine.

    >>> import torch
    >>> from audiocodec import ResidualSimVQ, ResidualSimVQConfig
    >>> quantizer = ResidualSimVQ(ResidualSimVQConfig(num_quantizers=4), latent_dim=16)
    >>> latent = torch.randn(2, 16, 50)  # (batch, latent_dim, frames)
    >>> codes = quantizer.encode(latent)
    >>> codes.shape
    torch.Size([2, 4, 50])
    >>> quantizer.decode(codes[:, :2]).shape  # the first two alone: half the bitrate
    torch.Size([2, 16, 50])
    """

    def __init__(self, config: ResidualSimVQConfig, latent_dim: int) -> None:
        super().__init__()
        self.config, self.latent_dim = config, latent_dim
        self.codebook_sizes = (config.codebook_size,) * config.num_quantizers
        self.stages = nn.ModuleList(
            SimVQ(config.stage(index), latent_dim) for index in range(config.num_quantizers)
        )

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = residual = latent.to(torch.promote_types(latent.dtype, torch.float32))
        active = active_stages(self.num_quantizers, num_quantizers, residual)
        total, loss = torch.zeros_like(residual), residual.new_zeros(())
        scale = self._stages()[0].loss_scale(residual)
        codes = []
        for stage, weight in zip(self._stages(), active, strict=True):
            stage_codes = stage.encode(residual)
            chosen = stage.decode(stage_codes)
            loss = loss + stage.loss(residual, chosen, scale, weight)
            total = total + (weight * chosen).detach()
            residual = residual - chosen.detach()
            codes.append(stage_codes)
        passed = pass_gradient(latent, total, self.config.gradient)
        return Quantized(passed, torch.cat(codes, dim=1), loss)
