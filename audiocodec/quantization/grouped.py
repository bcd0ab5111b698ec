"""Grouped residual SimVQ: the latent is cut into groups of dimensions, each with its own stack.

Every stage then chooses one of K^groups combinations at the cost of searching K per group
(HiFi-Codec, arXiv:2305.02765).
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import Quantized, Quantizer
from audiocodec.quantization.frozen import joint_digest
from audiocodec.quantization.residual import ResidualSimVQ, ResidualSimVQConfig


@dataclass(frozen=True)
class GroupedSimVQConfig(ResidualSimVQConfig):
    """The options of one group; stage i of group g draws its basis from seed + 1000 g + i."""

    num_quantizers: int = 4  # of each group
    num_groups: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_groups < 1:
            raise ConfigError(f"quantizer.num_groups is {self.num_groups}; give 1 or more")

    def group(self, index: int) -> ResidualSimVQConfig:
        """The configuration of one group."""
        options = {name: getattr(self, name) for name in ResidualSimVQConfig.__dataclass_fields__}
        return replace(ResidualSimVQConfig(**options), seed=self.seed + 1000 * index)


class GroupedSimVQ(Quantizer):
    """Codes (batch, num_quantizers * num_groups, *positions): all groups of a stage together.

    Fewer codes are the first stages; a cut within a stage leaves its last groups one stage behind.
    """

    def __init__(self, config: GroupedSimVQConfig, latent_dim: int) -> None:
        super().__init__()
        if latent_dim % config.num_groups:
            raise ConfigError(
                f"latent_dim {latent_dim} has no {config.num_groups} equal groups; change it or "
                "quantizer.num_groups"
            )
        self.config = config
        self.codebook_sizes = (config.codebook_size,) * config.num_quantizers * config.num_groups
        self.groups = nn.ModuleList(
            ResidualSimVQ(config.group(index), latent_dim // config.num_groups)
            for index in range(config.num_groups)
        )

    @property
    def codebooks(self) -> list[Quantizer]:
        stages = zip(*(group.codebooks for group in self._groups()), strict=True)
        return [codebook for groups in stages for codebook in groups]

    @property
    def basis_digest(self) -> str | None:
        return joint_digest(group.basis_digest for group in self._groups())

    def _groups(self) -> Any:
        return self.groups

    def _share(self, count: int | Tensor, group: int) -> Any:
        """How many stages of a group are among the first `count` codes."""
        return (count + self.config.num_groups - 1 - group) // self.config.num_groups

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        count = self.num_quantizers if num_quantizers is None else num_quantizers
        parts = [
            group(part, self._share(count, index))
            for index, (group, part) in enumerate(self._parts(latent))
        ]
        codes = torch.stack([part.codes for part in parts], dim=2).flatten(1, 2)
        loss = torch.stack([part.loss for part in parts]).mean()
        return Quantized(torch.cat([part.latent for part in parts], dim=1), codes, loss)

    def _parts(self, latent: Tensor) -> Any:
        return zip(self._groups(), latent.chunk(self.config.num_groups, dim=1), strict=True)

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        count = num_quantizers or self.num_quantizers
        stages = self._share(count, 0)
        codes = [group.encode(part, stages) for group, part in self._parts(latent)]
        return torch.stack(codes, dim=2).flatten(1, 2)[:, :count]

    def decode(self, codes: Tensor) -> Tensor:
        parts = []
        size = self._groups()[0].latent_dim
        for index, group in enumerate(self._groups()):
            own = codes[:, index :: self.config.num_groups]
            if own.shape[1]:
                parts.append(group.decode(own))
            else:
                parts.append(parts[0].new_zeros(len(codes), size, *codes.shape[2:]))
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        for group, part in self._parts(latent):
            group.initialize(part)
