"""HVQ: a hierarchy of stochastic quantizers, of which the top sends its codes (Hierarchical
Quantized Autoencoders, Williams et al. 2020, arXiv:2002.08111).

Each level encodes the codes of the level below by a small network, draws one of its own codes with

    q(k | x) = softmax_k(-|h(x) - e_k|^2)

and decodes it to the level below. With x the input of a level (no gradient) its loss is

    |x - g(e_k)|^2 + sum_k q_k |h(x) - e_k|^2 + sum_k q_k log q_k:

reconstruction, "probabilistic commitment" and entropy. Codes are sent by the top level alone and
come down through all decoders, of which each gives a mean. Three things differ from the paper:
levels keep the frame rate, which is the codec's affair, and lower ones have `widening` times the
codes instead; networks are pointwise; and all levels are trained at once. Squares are relative to
the variance of the latent.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import Quantized, at_least_float32, from_frames, to_frames
from audiocodec.quantization.clustering import starting_rows
from audiocodec.quantization.codebook import explicit_codebook
from audiocodec.quantization.explicit import CodebookConfig, CodebookQuantizer, random_rows
from audiocodec.quantization.gradients import pass_gradient
from audiocodec.quantization.search import nearest, wide
from audiocodec.quantization.soft import sample_code, squared_distances
from audiocodec.quantization.sq import check_temperature


@dataclass(frozen=True)
class HVQConfig(CodebookConfig):
    levels: int = 2
    widening: int = 2  # codes of a level for each code of the one above
    hidden_dim: int = 64
    temperature: float = 0.5  # of the Gumbel-softmax

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)
        for name in ("levels", "widening", "hidden_dim"):
            if getattr(self, name) < 1:
                raise ConfigError(f"quantizer.{name} is {getattr(self, name)}; give 1 or more")


class HVQ(CodebookQuantizer):
    """Codes of the top level, (batch, 1, *positions)."""

    config: HVQConfig

    def __init__(self, config: HVQConfig, latent_dim: int) -> None:
        super().__init__(config, latent_dim)
        sizes = [
            config.codebook_size * config.widening ** (config.levels - 1 - level)
            for level in range(config.levels)
        ]
        self.levels = nn.ModuleList(
            _Level(replace(config, codebook_size=size), latent_dim) for size in sizes
        )

    def _levels(self) -> Any:
        return self.levels

    @property
    def codebook(self) -> Tensor:  # type: ignore[override]
        """That of the top level."""
        codebook: Tensor = self._levels()[-1].codes
        return codebook

    def inward(self, frames: Tensor) -> Tensor:
        for level in self._levels()[:-1]:
            frames = F.embedding(level.nearest(level.encode(frames)), level.codes)
        encoded: Tensor = self._levels()[-1].encode(frames)
        return encoded

    def outward(self, codes: Tensor) -> Tensor:
        for level in reversed(self._levels()):
            codes = level.decode(codes)
        return codes

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = at_least_float32(latent)
        scale = self.loss_scale(latent)
        with torch.autocast(latent.device.type, enabled=False):
            x, losses = to_frames(latent), []
            for level in self._levels():
                chosen, x, loss = level(x, scale)
                losses.append(loss)
            down = self.outward(x)
        codes = from_frames(chosen.unsqueeze(1), latent)
        if not self.training:
            codes = self.encode(latent)
        value = pass_gradient(from_frames(down, latent), self.decode(codes), "straight_through")
        return Quantized(value, codes, torch.stack(losses).mean())

    def _start(self, frames: Tensor) -> None:
        for level in self._levels():
            frames = level.start(frames)


class _Level(nn.Module):
    """Networks up and down, both the identity at first, and the codes between them."""

    def __init__(self, config: HVQConfig, dim: int) -> None:
        super().__init__()
        self.config, self.dim = config, dim
        self.up, self.down = _Mlp(dim, config.hidden_dim), _Mlp(dim, config.hidden_dim)
        self.codes = nn.Parameter(random_rows(config, dim))

    def encode(self, x: Tensor) -> Tensor:
        encoded: Tensor = self.up(x)
        return encoded

    def decode(self, codes: Tensor) -> Tensor:
        decoded: Tensor = self.down(codes)
        return decoded

    def nearest(self, encoded: Tensor) -> Tensor:
        return nearest(wide(encoded), explicit_codebook(self.codes.detach().float()))

    def forward(self, x: Tensor, scale: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The codes drawn for x (n, dim), their vectors with the gradient of the draw, the loss."""
        scores = -squared_distances(self.encode(x), self.codes) / scale
        chosen, mean = sample_code(scores, self.codes, self.config.temperature)
        vectors = F.embedding(chosen, self.codes)
        passed = pass_gradient(mean, vectors, "straight_through")
        reconstruction = (self.decode(passed) - x.detach()).square().mean() / scale
        energy = torch.log(scores.new_tensor(scores.shape[1])) - scores.logsumexp(1).mean()
        return chosen, passed, reconstruction + energy / self.dim

    def start(self, x: Tensor) -> Tensor:
        """Take codes from a sample x (n, dim); returns the codes that it gets."""
        config, encoded = self.config, self.encode(x)
        rows = starting_rows(encoded, config.codebook_size, config.start, config.seed)
        with torch.no_grad():
            self.codes.copy_(rows)
        return F.embedding(self.nearest(encoded), self.codes)


class _Mlp(nn.Module):
    """x + output(gelu(hidden(x))), where the output is 0 at first."""

    def __init__(self, dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.hidden, self.output = nn.Linear(dim, hidden_dim), nn.Linear(hidden_dim, dim)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)

    def forward(self, x: Tensor) -> Tensor:
        moved: Tensor = x + self.output(F.gelu(self.hidden(x)))
        return moved
