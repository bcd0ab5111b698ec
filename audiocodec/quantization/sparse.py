"""Sparse coding with learned ISTA (SC-VAE, Xiao et al. 2023, arXiv:2303.16666; Gregor and LeCun
2010).

A latent is a mean and a few of many atoms, x = b + D a, where most coefficients a are 0. ISTA finds
them by a soft threshold after each step down the squared error,

    a <- soft(W (x - b) + S a, theta),   soft(y, t) = sign(y) max(|y| - t, 0),

with W = D^T / L, S = I - D^T D / L and theta = sparsity / L for L the largest eigenvalue of D^T D,
whose fixed point minimises |x - b - D a|^2 / 2 + sparsity |a|_1. Learned ISTA takes a fixed number
of iterations and lets W, S and theta learn.

In a codec the coefficients must be sent. Of the largest `num_quantizers` of them each code says
which atom it is and which of `levels` multiples of a step, so that position and quantized
coefficient together cost log2(atoms * levels) bits. The order of the codes, by size, is sent along
and only serves to cut the list short.

SC-VAE leaves its coefficients continuous and counts no bits, and its encoder learns through them.
The few that are sent would pass few directions of the gradient, and the latents shrink to these:
here it passes straight through, and dictionary and ISTA learn from latents that stand still.
"""

from dataclasses import dataclass

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
from audiocodec.quantization.clustering import draw_frames
from audiocodec.quantization.explicit import finite_frames
from audiocodec.quantization.frozen import seeded_basis
from audiocodec.quantization.gradients import pass_gradient
from audiocodec.quantization.simvq import latent_variance
from audiocodec.quantization.stages import active_stages

STEPS = 100  # that are tried at the start


@dataclass(frozen=True)
class SparseConfig:
    atoms: int = 256
    levels: int = 16  # of a coefficient, 0 among them
    num_quantizers: int = 2  # coefficients that are sent
    iterations: int = 5
    sparsity: float = 0.1  # weight of |a|_1, relative to the deviation of latents at the start
    sparsity_weight: float = 0.01  # in training
    commitment_weight: float = 0.25
    seed: int = 0
    data_start: bool = True

    def __post_init__(self) -> None:
        least = {"atoms": 2, "levels": 2, "num_quantizers": 1, "iterations": 1, "seed": 0}
        for name, value in least.items():
            if getattr(self, name) < value:
                raise ConfigError(
                    f"quantizer.{name} is {getattr(self, name)}; give {value} or more"
                )
        if self.num_quantizers > self.atoms:
            raise ConfigError(
                f"quantizer.num_quantizers is {self.num_quantizers}, but there are {self.atoms} "
                "atoms; give at most as many"
            )


class Sparse(Quantizer):
    """Codes (batch, num_quantizers, *positions), the largest coefficient first."""

    def __init__(self, config: SparseConfig, latent_dim: int) -> None:
        super().__init__()
        self.config, self.latent_dim = config, latent_dim
        self.codebook_sizes = (config.atoms * config.levels,) * config.num_quantizers
        atoms = F.normalize(seeded_basis(config.atoms, latent_dim, config.seed).rows, dim=1)
        self.atoms = nn.Parameter(atoms)  # (atoms, latent_dim), the transpose of D
        self.bias = nn.Parameter(torch.zeros(latent_dim))
        self.analysis = nn.Parameter(torch.empty_like(atoms))
        self.lateral = nn.Parameter(torch.empty(config.atoms, config.atoms))
        self.threshold = nn.Parameter(torch.empty(config.atoms))
        self.step = nn.Parameter(torch.tensor(2.0 / config.levels))
        self._as_ista(config.sparsity)

    @torch.no_grad()
    def _as_ista(self, sparsity: float) -> None:
        """Set W, S and theta to those of ISTA for the dictionary as it is."""
        gram = self.atoms @ self.atoms.T
        largest = float(torch.linalg.eigvalsh(gram)[-1])
        self.analysis.copy_(self.atoms / largest)
        self.lateral.copy_(torch.eye(len(gram), device=gram.device) - gram / largest)
        self.threshold.fill_(sparsity / largest)

    def coefficients(self, frames: Tensor, iterations: int | None = None) -> Tensor:
        """(n, latent_dim) -> (n, atoms)."""
        driven = (frames - self.bias) @ self.analysis.T
        found = soft_threshold(driven, self.threshold)
        for _ in range((iterations or self.config.iterations) - 1):
            found = soft_threshold(driven + found @ self.lateral.T, self.threshold)
        return found

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = at_least_float32(latent)
        active = active_stages(self.num_quantizers, num_quantizers, latent)
        with torch.autocast(latent.device.type, enabled=False):
            found, codes, sent = self._approximate(latent.detach(), active)
            codebook = (sent - latent.detach()).square().mean()
            commitment = (latent - sent.detach()).square().mean()
            loss = codebook + self.config.commitment_weight * commitment
            variance = latent_variance(latent)
            penalty = self.config.sparsity_weight * found.abs().mean()
            loss = loss / variance + penalty / variance.sqrt()
        return Quantized(pass_gradient(latent, sent, "straight_through"), codes, loss)

    def _approximate(self, latent: Tensor, active: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """All coefficients (n, atoms), the codes of the largest, and what these add up to.

        The sum has the value of `decode` and the gradient of coefficients that are not rounded:
        none to those beyond the last level, and to the step (Esser et al. 2020, arXiv:1902.08153).
        """
        found = self.coefficients(to_frames(latent))
        chosen = found.abs().topk(self.num_quantizers, dim=1).indices  # (n, count)
        scaled = self._scaled(found.gather(1, chosen))
        levels = pass_gradient(scaled, scaled.round(), "straight_through")
        sent = from_frames(self.bias.expand(len(found), -1), latent)
        for index, weight in enumerate(active):
            added = self._part(levels[:, index], chosen[:, index])
            sent = sent + weight * from_frames(added, latent)
        return found, from_frames(self._codes_of(chosen, levels), latent), sent

    def _scaled(self, kept: Tensor) -> Tensor:
        """Coefficients in steps, within the levels."""
        low = self.config.levels // 2
        step = self.step.abs().clamp_min(torch.finfo(kept.dtype).tiny)
        return (kept / step).clamp(-low, self.config.levels - 1 - low)

    def _codes_of(self, chosen: Tensor, levels: Tensor) -> Tensor:
        """Atoms (n, count) and the levels of their coefficients -> codes (n, count)."""
        return chosen * self.config.levels + levels.detach().long() + self.config.levels // 2

    def _part(self, levels: Tensor, atoms: Tensor) -> Tensor:
        """(...) and (...) -> (..., latent_dim)."""
        return (levels * self.step.abs()).unsqueeze(-1) * F.embedding(atoms, self.atoms)

    def _added(self, codes: Tensor) -> Tensor:
        """What codes (batch, 1, *positions) add to the latent."""
        levels, codes = self.config.levels, codes.squeeze(1)
        level = (codes % levels - levels // 2).to(self.step.dtype)
        return self._part(level, codes // levels).movedim(-1, 1)

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        count = num_quantizers or self.num_quantizers
        with torch.autocast(latent.device.type, enabled=False):
            frames = to_frames(latent)
            frames = frames.to(torch.promote_types(frames.dtype, self.atoms.dtype))
            found = self.coefficients(frames)
            chosen = found.abs().topk(self.num_quantizers, dim=1).indices[:, :count]
            codes = self._codes_of(chosen, self._scaled(found.gather(1, chosen)).round())
        return from_frames(codes, latent)

    def decode(self, codes: Tensor) -> Tensor:
        with torch.autocast(codes.device.type, enabled=False):
            # In the order of `forward`: decoding gives the vector of training bit for bit.
            like = self._added(codes[:, :1])
            total = self.bias.view(-1, *[1] * (like.dim() - 2)).expand_as(like)
            for index in range(codes.shape[1]):
                total = total + self._added(codes[:, index : index + 1])
        return total

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        frames = finite_frames(latent).float()
        if not self.config.data_start:
            return
        self.bias.copy_(frames.mean(0))
        spread = frames - self.bias
        self.atoms.copy_(F.normalize(draw_frames(spread, self.config.atoms, self.config.seed)))
        deviation = float(spread.square().sum(1).mean().sqrt())
        self._as_ista(self.config.sparsity * deviation)
        found = self.coefficients(frames[: 16 * self.config.atoms])
        kept = found.gather(1, found.abs().topk(self.num_quantizers, dim=1).indices)
        self._start_step(kept)

    def _start_step(self, kept: Tensor) -> None:
        """Take the step with the least error, of `STEPS` up to one that cuts no coefficient."""
        largest = float(2 * kept.abs().max().clamp_min(1e-6) / self.config.levels)
        errors = []
        for part in range(1, STEPS + 1):
            self.step.fill_(largest * part / STEPS)
            errors.append(float((self._scaled(kept).round() * self.step - kept).square().mean()))
        self.step.fill_(largest * (1 + errors.index(min(errors))) / STEPS)


def soft_threshold(x: Tensor, threshold: Tensor) -> Tensor:
    """sign(x) max(|x| - threshold, 0); a threshold below 0 has no effect."""
    return F.relu(x - threshold.clamp_min(0)) - F.relu(-x - threshold.clamp_min(0))
