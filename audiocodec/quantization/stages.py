"""What residual stacks share: how codes add up, and which stages each row of a batch uses."""

from typing import Any

import torch
from torch import Tensor, nn

from audiocodec.quantization.base import Quantizer
from audiocodec.quantization.frozen import joint_digest


def active_stages(stages: int, num_quantizers: int | Tensor | None, like: Tensor) -> Tensor:
    """1 where a row uses a stage, else 0: (stages, batch, 1, ...), to weigh latents `like` with.

    `num_quantizers` is a number for all rows, one for each (batch,), or None for all stages.
    """
    count = stages if num_quantizers is None else num_quantizers
    counts = torch.as_tensor(count, device=like.device).expand(like.shape[0])
    numbers = torch.arange(stages, device=like.device).unsqueeze(1)
    active = (numbers < counts).to(like.dtype)
    return active.view(*active.shape, *[1] * (like.dim() - 1))


class ResidualStages(Quantizer):
    """A stack of which each stage quantizes what the stages before it left: all but training."""

    stages: nn.ModuleList

    @property
    def codebooks(self) -> list[Quantizer]:
        return list(self._stages())

    @property
    def basis_digest(self) -> str | None:
        return joint_digest(stage.basis_digest for stage in self._stages())

    def _stages(self) -> Any:
        return self.stages

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        residual, codes = latent, []
        for stage in list(self._stages())[: num_quantizers or self.num_quantizers]:
            codes.append(stage.encode(residual))
            residual = residual - stage.decode(codes[-1])
        return torch.cat(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        # In the order of `forward`: decoding gives the vector of training bit for bit.
        total = self._stages()[0].decode(codes[:, :1])
        for index in range(1, codes.shape[1]):
            total = total + self._stages()[index].decode(codes[:, index : index + 1])
        return total

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        residual = latent
        for stage in self._stages():
            stage.initialize(residual)
            residual = residual - stage.decode(stage.encode(residual))
