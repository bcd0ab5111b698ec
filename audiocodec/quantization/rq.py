"""RQ: residual quantization with one codebook for all stages (Lee et al. 2022, arXiv:2203.01941).

Stage d quantizes what the stages before it left, with the same codebook: k_d is the code nearest
to r_{d-1}, and r_d = r_{d-1} - e_{k_d}. The paper's commitment is that to every partial sum,

    mean over d of |z - sg(e_{k_1} + ... + e_{k_d})|^2,

and the codebook is a moving average of the residuals of all stages (ema_vq.py). Each stage has all
codes to choose from, but they have to serve large first and small last residuals. For a codebook a
stage see `residual` and `stack`.
"""

from dataclasses import dataclass, fields
from itertools import pairwise

import torch
from torch import Tensor

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import Quantized, Quantizer, at_least_float32, to_frames
from audiocodec.quantization.clustering import starting_rows
from audiocodec.quantization.codebook import explicit_codebook
from audiocodec.quantization.ema_vq import EmaVQ, EmaVQConfig
from audiocodec.quantization.explicit import finite_frames
from audiocodec.quantization.gradients import pass_gradient
from audiocodec.quantization.search import nearest, wide
from audiocodec.quantization.stages import active_stages


@dataclass(frozen=True)
class RQConfig(EmaVQConfig):
    codebook_size: int = 1024
    num_quantizers: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_quantizers < 1:
            raise ConfigError(f"quantizer.num_quantizers is {self.num_quantizers}; give 1 or more")

    def shared(self) -> EmaVQConfig:
        """The configuration of the codebook."""
        return EmaVQConfig(**{f.name: getattr(self, f.name) for f in fields(EmaVQConfig)})


class RQ(Quantizer):
    """Codes (batch, num_quantizers, *positions), coarse to fine, all of one codebook."""

    def __init__(self, config: RQConfig, latent_dim: int) -> None:
        super().__init__()
        self.config = config
        self.codebook_sizes = (config.codebook_size,) * config.num_quantizers
        self.shared = EmaVQ(config.shared(), latent_dim)

    @property
    def codebooks(self) -> list[Quantizer]:
        return [self.shared] * self.num_quantizers

    def _others(self) -> list[Quantizer]:
        return [self.shared]

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = residual = at_least_float32(latent)
        active = active_stages(self.num_quantizers, num_quantizers, latent)
        total, loss, codes = torch.zeros_like(latent), latent.new_zeros(()), []
        for weight in active:
            codes.append(self.shared.encode(residual))
            chosen = self.shared.decode(codes[-1])
            self.shared._watch(to_frames(residual), codes[-1].flatten())
            total = total + weight * chosen
            residual = residual - chosen
            loss = loss + (weight * (latent - total).square()).mean() / self.num_quantizers
        passed = pass_gradient(latent, total, self.config.gradient)
        loss = self.config.commitment_weight * loss / self.shared.loss_scale(latent)
        return Quantized(passed, torch.cat(codes, dim=1), loss)

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        residual, codes = latent, []
        for _ in range(num_quantizers or self.num_quantizers):
            codes.append(self.shared.encode(residual))
            residual = residual - self.shared.decode(codes[-1])
        return torch.cat(codes, dim=1)

    def decode(self, codes: Tensor) -> Tensor:
        # In the order of `forward`: decoding gives the vector of training bit for bit.
        total = self.shared.decode(codes[:, :1])
        for stage in range(1, codes.shape[1]):
            total = total + self.shared.decode(codes[:, stage : stage + 1])
        return total

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        """An equal share of the codes from what is left at each stage."""
        frames, config = finite_frames(latent).float(), self.config
        if config.start == "random":
            return
        edges = torch.linspace(0, config.codebook_size, self.num_quantizers + 1).long().tolist()
        for stage, (first, last) in enumerate(pairwise(edges)):
            if first == last:
                continue
            rows = starting_rows(frames, last - first, config.start, config.seed + stage)
            self.shared.codebook[first:last] = rows
            known = self.shared.codebook[:last]
            frames = frames - known[nearest(wide(frames), explicit_codebook(known.float()))]
