"""QINCo: residual quantization with implicit neural codebooks (Huijben et al. 2024,
arXiv:2401.14732).

The codebook of a stage depends on what the stages before it say. With base codes c_k and the sum
s so far, stage m has the codes

    f_m(c_k, s) = v_L,  v_0 = c_k + A [c_k; s] + a,  v_l = v_{l-1} + MLP_l(v_{l-1})

where each MLP has one hidden layer (relu), and r = z - s gets the nearest of them. The first stage
has nothing to depend on and is a plain codebook; with `depth: 0` every stage is, which is residual
quantization. The loss is |sg(z) - s_m|^2 after each stage and a commitment of the latent to these
sums. All layers start such that f_m(c_k, s) = c_k. Encoding computes K codes for every frame and
stage: the method is for small codebooks.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import (
    Quantized,
    Quantizer,
    at_least_float32,
    from_frames,
    to_frames,
)
from audiocodec.quantization.clustering import Start, starting_rows
from audiocodec.quantization.codebook import explicit_codebook
from audiocodec.quantization.explicit import NearestConfig, finite_frames, random_rows
from audiocodec.quantization.gradients import pass_gradient
from audiocodec.quantization.search import nearest, wide
from audiocodec.quantization.simvq import latent_variance
from audiocodec.quantization.stages import active_stages

NUMBERS_AT_ONCE = 2**23  # of hidden units while codes are computed


@dataclass(frozen=True)
class QincoConfig(NearestConfig):
    """The codebook of stage i starts from seed + i."""

    codebook_size: int = 256
    start: Start = "kmeans"
    num_quantizers: int = 4
    depth: int = 1  # residual layers of f; 0: residual quantization
    hidden_dim: int = 64

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("num_quantizers", 1), ("depth", 0), ("hidden_dim", 1)):
            if getattr(self, name) < least:
                raise ConfigError(
                    f"quantizer.{name} is {getattr(self, name)}; give {least} or more"
                )


class Qinco(Quantizer):
    """Codes (batch, num_quantizers, *positions), coarse to fine; each needs all before it."""

    def __init__(self, config: QincoConfig, latent_dim: int) -> None:
        super().__init__()
        self.config, self.latent_dim = config, latent_dim
        self.codebook_sizes = (config.codebook_size,) * config.num_quantizers
        self.stages = nn.ModuleList(
            _Stage(config, latent_dim, index) for index in range(config.num_quantizers)
        )

    def _stages(self) -> Any:
        return self.stages

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = at_least_float32(latent)
        active = active_stages(self.num_quantizers, num_quantizers, latent)
        variance = latent_variance(latent) if self.config.relative_loss else latent.new_ones(())
        with torch.autocast(latent.device.type, enabled=False):
            frames, codes = to_frames(latent), []
            total = torch.zeros_like(frames)
            passed, loss = torch.zeros_like(latent), latent.new_zeros(())
            for stage, weight in zip(self._stages(), active, strict=True):
                chosen = stage.choose(frames - total, total)
                added = stage.codes(chosen, total)
                codes.append(chosen)
                loss = loss + self._loss(frames, total + added, latent, weight)
                passed = passed + weight * from_frames(added.detach(), latent)
                total = total + added.detach()
        stacked = from_frames(torch.stack(codes, dim=1), latent)
        return Quantized(
            pass_gradient(latent, passed, self.config.gradient), stacked, loss / variance
        )

    def _loss(self, frames: Tensor, total: Tensor, like: Tensor, weight: Tensor) -> Tensor:
        codebook = from_frames(total - frames.detach(), like).square()
        commitment = from_frames(frames - total.detach(), like).square()
        terms = codebook + self.config.commitment_weight * commitment
        return (weight * terms).mean() / self.num_quantizers

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        with torch.autocast(latent.device.type, enabled=False):
            frames, codes = to_frames(latent).to(self._dtype(latent)), []
            total = torch.zeros_like(frames)
            for stage in self._stages()[: num_quantizers or self.num_quantizers]:
                codes.append(stage.choose(frames - total, total))
                total = total + stage.codes(codes[-1], total)
        return from_frames(torch.stack(codes, dim=1), latent)

    def decode(self, codes: Tensor) -> Tensor:
        with torch.autocast(codes.device.type, enabled=False):
            rows = to_frames(codes)
            total = self._stages()[0].codes(rows[:, 0], None)
            for index in range(1, rows.shape[1]):
                total = total + self._stages()[index].codes(rows[:, index], total)
        return from_frames(total, codes)

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        frames, config = finite_frames(latent).float(), self.config
        total = torch.zeros_like(frames)
        for index, stage in enumerate(self._stages()):
            if config.start != "random":
                left = frames - total
                rows = starting_rows(left, config.codebook_size, config.start, config.seed + index)
                stage.codebook.copy_(rows)
            total = total + stage.codes(stage.choose(frames - total, total), total)

    def _dtype(self, latent: Tensor) -> torch.dtype:
        return torch.promote_types(latent.dtype, self._stages()[0].codebook.dtype)


class _Stage(nn.Module):
    """Base codes and the network that adapts them; the first of a stack has no network."""

    def __init__(self, config: QincoConfig, dim: int, index: int) -> None:
        super().__init__()
        self.config, self.dim = config, dim
        self.codebook = nn.Parameter(random_rows(config, dim, index))
        self.depth = config.depth if index else 0
        if self.depth:
            self.join = nn.Linear(2 * dim, dim)
            nn.init.zeros_(self.join.weight)
            nn.init.zeros_(self.join.bias)
        self.layers = nn.ModuleList(_Layer(dim, config.hidden_dim) for _ in range(self.depth))

    def codes(self, chosen: Tensor, total: Tensor | None) -> Tensor:
        """The codes `chosen` (n,) of frames whose sums so far are `total` (n, dim)."""
        base = F.embedding(chosen, self.codebook)
        if not self.depth or total is None:
            return base
        return self._adapted(base, total)

    def _adapted(self, base: Tensor, total: Tensor) -> Tensor:
        """f of base codes (..., dim) given sums of a shape that fits."""
        of_code, of_sum = self.join.weight.split(self.dim, dim=1)
        v = base + base @ of_code.T + (total @ of_sum.T + self.join.bias)
        for layer in self.layers:
            v = layer(v)
        return v

    @torch.no_grad()
    def choose(self, left: Tensor, total: Tensor) -> Tensor:
        """The nearest code of what is left (n, dim), given the sums so far (n, dim): (n,)."""
        if not self.depth:
            return nearest(wide(left), explicit_codebook(self.codebook.detach().float()))
        at_once = max(1, NUMBERS_AT_ONCE // (len(self.codebook) * self.config.hidden_dim))
        parts = zip(left.split(at_once), total.split(at_once), strict=True)
        return torch.cat([self._choose(*part) for part in parts])

    def _choose(self, left: Tensor, total: Tensor) -> Tensor:
        codes = self._adapted(self.codebook.unsqueeze(0), total.unsqueeze(1))  # (n, K, dim)
        return (codes - left.unsqueeze(1)).square().sum(-1).argmin(1)


class _Layer(nn.Module):
    """v + output(relu(hidden(v))), where the output is 0 at first."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(dim, hidden_dim), nn.Linear(hidden_dim, dim)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, v: Tensor) -> Tensor:
        moved: Tensor = v + self.output(F.relu(self.hidden(v)))
        return moved
