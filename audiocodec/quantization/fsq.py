"""FSQ: finite scalar quantization (Mentzer et al. 2023, arXiv:2309.15505).

The latent is projected to a few dimensions; dimension i is bounded to `levels[i]` integers and
rounded. With L levels, h = (L - 1) (1 + eps) / 2, o = 1/2 for an even L and 0 for an odd one,

    bounded(x) = h tanh(x + artanh(o / h)) - o

and a code is the row of integers, read as a number of mixed radix whose first digit is the lowest.
There is no codebook to learn and no loss; the gradient passes the rounding as if it were not there.
Values are divided by floor(L / 2), so that they lie between -1 and 1. The paper's sets of levels:
8 6 5 (2^8 codes), 8 5 5 5 (2^10), 7 5 5 5 5 (2^12), 8 8 8 6 5 (2^14), 8 8 8 5 5 5 (2^16).
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import (
    Quantized,
    Quantizer,
    at_least_float32,
    from_frames,
    to_frames,
)
from audiocodec.quantization.explicit import finite_frames
from audiocodec.quantization.gradients import pass_gradient
from audiocodec.quantization.projections import fit_linear, principal_directions

EPSILON = 1e-3  # of the paper's bound
MOST_CODES = 2**31


@dataclass(frozen=True)
class FSQConfig:
    levels: tuple[int, ...] = (7, 5, 5, 5, 5)  # 4375 codes
    data_start: bool = True  # project to principal directions; else at random

    def __post_init__(self) -> None:
        if not self.levels or min(self.levels) < 2 or prod(self.levels) > MOST_CODES:
            raise ConfigError(
                f"quantizer.levels is {list(self.levels)}; give numbers of 2 or more, e.g. "
                "[8, 5, 5, 5], whose product is at most 2^31"
            )


class FSQ(Quantizer):
    """Codes (batch, 1, *positions) of a grid between two projections."""

    levels: Tensor
    basis: Tensor

    def __init__(self, config: FSQConfig, latent_dim: int) -> None:
        super().__init__()
        self.config, self.latent_dim = config, latent_dim
        self.codebook_sizes = (prod(config.levels),)
        self.project_in = nn.Linear(latent_dim, len(config.levels))
        self.project_out = nn.Linear(len(config.levels), latent_dim)
        basis = [prod(config.levels[:index]) for index in range(len(config.levels))]
        self.register_buffer("levels", torch.tensor(config.levels), persistent=False)
        self.register_buffer("basis", torch.tensor(basis), persistent=False)

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = at_least_float32(latent)
        with torch.autocast(latent.device.type, enabled=False):
            bounded = self.bound(self.project_in(to_frames(latent)))
            integers = bounded.round()
            passed = pass_gradient(bounded, integers, "straight_through") / (self.levels // 2)
            output = from_frames(self.project_out(passed), latent)
        codes = from_frames(self.codes_of(integers), latent)
        value = pass_gradient(output, self.decode(codes), "straight_through")
        return Quantized(value, codes, latent.new_zeros(()))

    def bound(self, x: Tensor) -> Tensor:
        """(n, d) to numbers that round to each dimension's levels."""
        half = (self.levels - 1) * (1 + EPSILON) / 2
        offset = 0.5 * (self.levels % 2 == 0)
        return torch.tanh(x + torch.atanh(offset / half)) * half - offset

    def codes_of(self, integers: Tensor) -> Tensor:
        """Integers around 0 (n, d) -> codes (n, 1)."""
        digits = integers.long() + self.levels // 2
        return (digits * self.basis).sum(1, keepdim=True)

    def values_of(self, codes: Tensor) -> Tensor:
        """Codes (n, 1) -> values between -1 and 1, (n, d)."""
        half = self.levels // 2
        digits = codes // self.basis % self.levels
        return (digits - half) / half.to(self.project_out.weight.dtype)

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        with torch.autocast(latent.device.type, enabled=False):
            weight = self.project_in.weight
            frames = to_frames(latent).to(torch.promote_types(latent.dtype, weight.dtype))
            integers = self.bound(self.project_in(frames)).round()
        return from_frames(self.codes_of(integers), latent)

    def decode(self, codes: Tensor) -> Tensor:
        with torch.autocast(codes.device.type, enabled=False):
            return from_frames(self.project_out(self.values_of(to_frames(codes))), codes)

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        frames = finite_frames(latent).float()
        if not self.config.data_start:
            return
        mean, directions = principal_directions(frames, len(self.config.levels))
        self.project_in.weight.copy_(directions)
        self.project_in.bias.copy_(-directions @ mean)
        values = self.values_of(self.codes_of(self.bound(self.project_in(frames)).round()))
        fit_linear(self.project_out, values, frames)
