"""What quantizers with one codebook of explicit rows share: search, lookup, start and loss.

A subclass holds `codebook` (K, code_dim), a weight or a buffer, and says how latents come to where
codes are compared (`inward`), what code a row stands for (`code_of`) and how it goes back
(`outward`).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from audiocodec.errors import ConfigError, ModelError
from audiocodec.quantization.base import (
    Quantized,
    Quantizer,
    at_least_float32,
    from_frames,
    to_frames,
)
from audiocodec.quantization.cache import WeightCache
from audiocodec.quantization.clustering import Start, starting_rows
from audiocodec.quantization.codebook import by_parts, explicit_codebook
from audiocodec.quantization.frozen import seeded_basis
from audiocodec.quantization.gradients import Gradient, pass_gradient
from audiocodec.quantization.search import Codebook, nearest, wide
from audiocodec.quantization.simvq import latent_variance


@dataclass(frozen=True)
class CodebookConfig:
    """What all codebooks of rows have in common."""

    codebook_size: int = 4096
    seed: int = 0  # of the start and of whatever else is drawn
    start: Start = "sample"  # random, frames of the data, or k-means of them
    relative_loss: bool = True  # over the variance of the latent; else the plain mean

    def __post_init__(self) -> None:
        if self.codebook_size < 2:
            raise ConfigError(f"quantizer.codebook_size is {self.codebook_size}; give 2 or more")
        if self.seed < 0:
            raise ConfigError(f"quantizer.seed is {self.seed}; give 0 or more")


@dataclass(frozen=True)
class NearestConfig(CodebookConfig):
    """What those have besides that quantize to the nearest row."""

    commitment_weight: float = 0.25
    gradient: Gradient = "straight_through"


class CodebookQuantizer(Quantizer):
    """One codebook; `latent` is (batch, latent_dim, *positions), `codes` (batch, 1, *positions)."""

    config: CodebookConfig
    codebook: Tensor

    def __init__(self, config: CodebookConfig, latent_dim: int) -> None:
        super().__init__()
        self.config, self.latent_dim = config, latent_dim
        self.codebook_sizes = (config.codebook_size,)
        self._cache: WeightCache[Codebook] = WeightCache()
        self._seen: list[tuple[Tensor, Tensor]] = []

    def inward(self, frames: Tensor) -> Tensor:
        """(n, latent_dim) -> (n, code_dim)."""
        return frames

    def code_of(self, rows: Tensor) -> Tensor:
        """The codes that rows (n, code_dim) of the codebook stand for, (n, code_dim)."""
        return rows

    def outward(self, codes: Tensor) -> Tensor:
        """(n, code_dim) -> (n, latent_dim)."""
        return codes

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        """The nearest code of each position: exact, see search.py."""
        with torch.autocast(latent.device.type, enabled=False):
            frames = self.inward(self._fitting(to_frames(latent)))
            codes = nearest(wide(frames), self._searched())
        return from_frames(codes.unsqueeze(1), latent)

    def decode(self, codes: Tensor) -> Tensor:
        with torch.autocast(codes.device.type, enabled=False):
            rows = F.embedding(codes.squeeze(1), self.codebook)
            frames = self.outward(self.code_of(rows.flatten(0, -2)))
        return from_frames(frames, codes)

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        frames = finite_frames(latent)
        if self.config.start != "random":
            self._start(frames.float())

    def _start(self, frames: Tensor) -> None:
        config = self.config
        rows = starting_rows(self.inward(frames), config.codebook_size, config.start, config.seed)
        self.codebook.copy_(rows)

    def loss_scale(self, latent: Tensor) -> Tensor:
        """What squared errors are divided by, a scalar."""
        return latent_variance(latent) if self.config.relative_loss else latent.new_ones(())

    def before_step(self) -> None:
        self._seen.clear()

    def _watch(self, frames: Tensor, codes: Tensor) -> None:
        """Keep frames (n, code_dim) and their codes (n,) for `after_step`."""
        if self.training and torch.is_grad_enabled():
            self._seen.append((frames.detach(), codes))

    def _watched(self) -> tuple[Tensor, Tensor] | None:
        """The frames (n, code_dim) of this step and their codes (n,), once; None without any."""
        seen, self._seen = self._seen, []
        if not seen:
            return None
        frames, codes = map(torch.cat, zip(*seen, strict=True))
        return frames, codes

    def _fitting(self, frames: Tensor) -> Tensor:
        """In the precision of the weights if it is the higher one: layers take no other."""
        return frames.to(torch.promote_types(frames.dtype, self.codebook.dtype))

    def _searched(self) -> Codebook:
        if self.training:
            return self._make_searched()
        return self._cache.get([*self.parameters(), self.codebook], self._make_searched)

    def _make_searched(self) -> Codebook:
        rows = self.codebook.detach()
        return explicit_codebook(by_parts(lambda part: self.code_of(part).float(), rows))


class NearestQuantizer(CodebookQuantizer):
    """Latents become their nearest codes; `forward` passes the gradient over the choice."""

    config: NearestConfig

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = at_least_float32(latent)
        codes = self.encode(latent)
        chosen = self.decode(codes)
        self._watch(to_frames(latent), codes.flatten())
        loss = self.loss(latent, chosen) / self.loss_scale(latent)
        return Quantized(pass_gradient(latent, chosen, self.config.gradient), codes, loss)

    def loss(self, latent: Tensor, chosen: Tensor) -> Tensor:
        """Codebook and commitment terms of van den Oord et al. 2017, equation 3."""
        codebook = (chosen - latent.detach()).square().mean()
        commitment = (latent - chosen.detach()).square().mean()
        return codebook + self.config.commitment_weight * commitment


def random_rows(config: CodebookConfig, dim: int, stage: int = 0) -> Tensor:
    """The start of a codebook before there are data: N(0, 1 / dim), the same on every machine."""
    return seeded_basis(config.codebook_size, dim, config.seed + stage).rows.clone()


def finite_frames(latent: Tensor) -> Tensor:
    """(frames, latent_dim) of a latent to start from.

    Raises:
        ModelError: they are not finite.
    """
    frames = to_frames(latent)
    if not frames.isfinite().all():
        raise ModelError(
            "the encoder gives latents that are not finite, from which no codebook can start; "
            "lower optimizer.learning_rate"
        )
    return frames
