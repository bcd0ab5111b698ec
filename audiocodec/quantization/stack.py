"""Residual stacks of any quantizer of one codebook (SoundStream, arXiv:2107.03312).

Each stage quantizes what the stages before it left. `residual` is the same for SimVQ, with one
scale for the losses of all stages; here stages are whatever `stage.kind` says, each with its own
codebook. The gradient runs through all stages as in DAC (arXiv:2306.06546): those that pass it
straight through share it, so that the commitment of the encoder is that to the first stage.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from audiocodec.config import one_of
from audiocodec.errors import ConfigError
from audiocodec.quantization.base import Quantized, at_least_float32
from audiocodec.quantization.ema_vq import EmaVQConfig
from audiocodec.quantization.single import SINGLE
from audiocodec.quantization.stages import ResidualStages, active_stages


@dataclass(frozen=True)
class StackConfig:
    """Stage i draws from the seed of `stage` + i."""

    num_quantizers: int = 8
    stage: Any = one_of(SINGLE, EmaVQConfig(codebook_size=1024))

    def __post_init__(self) -> None:
        if self.num_quantizers < 1:
            raise ConfigError(f"quantizer.num_quantizers is {self.num_quantizers}; give 1 or more")

    def stage_config(self, index: int) -> Any:
        """The configuration of one stage."""
        if "seed" not in {field.name for field in fields(self.stage)}:
            return self.stage
        return replace(self.stage, seed=self.stage.seed + index)


class Stack(ResidualStages):
    """Codes (batch, num_quantizers, *positions), coarse to fine."""

    def __init__(self, config: StackConfig, latent_dim: int) -> None:
        super().__init__()
        self.config = config
        self.stages = nn.ModuleList(
            SINGLE.build(config.stage_config(index), latent_dim)
            for index in range(config.num_quantizers)
        )
        self.codebook_sizes = sum((stage.codebook_sizes for stage in self._stages()), ())

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        residual = at_least_float32(latent)
        active = active_stages(self.num_quantizers, num_quantizers, residual)
        total, losses, codes = torch.zeros_like(residual), [], []
        for stage, weight in zip(self._stages(), active, strict=True):
            quantized = stage(residual)
            total = total + weight * quantized.latent
            residual = residual - quantized.latent
            losses.append(quantized.loss)
            codes.append(quantized.codes)
        return Quantized(total, torch.cat(codes, dim=1), torch.stack(losses).mean())
