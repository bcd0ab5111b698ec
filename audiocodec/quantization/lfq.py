"""LFQ: lookup-free quantization (MAGVIT-v2, Yu et al. 2023, arXiv:2310.05737).

The latent is projected to log2 K dimensions, and the code is the row of their signs: bit i is
whether x_i > 0, the value -1 or 1. With q(c | x) = softmax_c(-|x - c|^2 / t), the loss is

      entropy_weight (mean H(q(. | x)) - diversity H(mean q(. | x)))
    + commitment_weight |x - sg(sign x)|^2:

each latent is to be sure, all together are to use every code. Signs are independent given x, with
q(bit i) = sigmoid(4 x_i / t), so that the first term is a sum over bits; the second needs a table
of all codes and is therefore taken over groups of up to `group_bits` bits, as MAGVIT-v2's followers
do for large codebooks: exact if there is one group, else a bound from above.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.processes import mean_over_processes
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

MOST_BITS = 31


@dataclass(frozen=True)
class LFQConfig:
    codebook_size: int = 4096  # a power of 2
    entropy_weight: float = 0.1
    diversity: float = 1.0
    commitment_weight: float = 0.25
    temperature: float = 1.0  # t above
    group_bits: int = 8
    data_start: bool = True  # project to principal directions; else at random

    def __post_init__(self) -> None:
        size = self.codebook_size
        if size < 2 or size & (size - 1) or size > 2**MOST_BITS:
            raise ConfigError(f"quantizer.codebook_size is {size}; give a power of 2, e.g. 4096")
        if self.temperature <= 0:
            raise ConfigError(f"quantizer.temperature is {self.temperature}; give more than 0")
        if not 1 <= self.group_bits <= 16:
            raise ConfigError(f"quantizer.group_bits is {self.group_bits}; give 1 to 16")

    @property
    def bits(self) -> int:
        """Of a code."""
        return self.codebook_size.bit_length() - 1


class LFQ(Quantizer):
    """Codes (batch, 1, *positions) of signs between two projections."""

    config: LFQConfig
    powers: Tensor

    def __init__(self, config: LFQConfig, latent_dim: int) -> None:
        super().__init__()
        self.config, self.latent_dim = config, latent_dim
        self.codebook_sizes = (config.codebook_size,)
        self.project_in = nn.Linear(latent_dim, config.bits)
        self.project_out = nn.Linear(config.bits, latent_dim)
        self.register_buffer("powers", 2 ** torch.arange(config.bits), persistent=False)

    def inward(self, frames: Tensor) -> Tensor:
        """(n, latent_dim) -> (n, bits), where signs are taken."""
        projected: Tensor = self.project_in(frames)
        return projected

    @property
    def size(self) -> float:
        """The absolute value of each dimension of a code."""
        return 1.0

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = at_least_float32(latent)
        with torch.autocast(latent.device.type, enabled=False):
            x = self.inward(to_frames(latent))
            chosen = self._codes_of(x)
            values = self.values_of(chosen)
            passed = pass_gradient(x, values, "straight_through")
            output = from_frames(self.project_out(passed), latent)
            loss = self.loss(x, values)
        codes = from_frames(chosen, latent)
        value = pass_gradient(output, self.decode(codes), "straight_through")
        return Quantized(value, codes, loss)

    def loss(self, x: Tensor, values: Tensor) -> Tensor:
        """Of (n, bits) and their codes; entropies in nats, a mean over bits."""
        config = self.config
        probabilities = torch.sigmoid(4 * self.size * x / config.temperature)
        sure = binary_entropy(probabilities).sum(1).mean()
        spread = torch.stack(
            [joint_entropy(part) for part in probabilities.split(config.group_bits, dim=1)]
        ).sum()
        entropy = (sure - config.diversity * spread) / config.bits
        commitment = (x - values).square().mean()
        return config.entropy_weight * entropy + config.commitment_weight * commitment

    def _codes_of(self, x: Tensor) -> Tensor:
        return ((x > 0) * self.powers).sum(1, keepdim=True)

    def values_of(self, codes: Tensor) -> Tensor:
        """Codes (n, 1) -> (n, bits)."""
        bits = (codes // self.powers % 2).to(self.project_out.weight.dtype)
        return (2 * bits - 1) * self.size

    @torch.no_grad()
    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        with torch.autocast(latent.device.type, enabled=False):
            weight = self.project_in.weight
            frames = to_frames(latent).to(torch.promote_types(latent.dtype, weight.dtype))
            return from_frames(self._codes_of(self.inward(frames)), latent)

    def decode(self, codes: Tensor) -> Tensor:
        with torch.autocast(codes.device.type, enabled=False):
            return from_frames(self.project_out(self.values_of(to_frames(codes))), codes)

    @torch.no_grad()
    def initialize(self, latent: Tensor) -> None:
        frames = finite_frames(latent).float()
        if not self.config.data_start:
            return
        mean, directions = principal_directions(frames, self.config.bits)
        self.project_in.weight.copy_(directions)
        self.project_in.bias.copy_(-directions @ mean)
        fit_linear(self.project_out, self.values_of(self._codes_of(self.inward(frames))), frames)


def binary_entropy(probabilities: Tensor) -> Tensor:
    """Of each, in nats."""
    return sum_of_plogp(probabilities) + sum_of_plogp(1 - probabilities)


def sum_of_plogp(probabilities: Tensor) -> Tensor:
    """-p log p of each, 0 at 0."""
    return torch.special.entr(probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny))


def joint_entropy(probabilities: Tensor) -> Tensor:
    """The entropy in nats of the mean distribution over the codes of some bits (n, bits).

    The mean is that of all processes, with the gradient of this one's share.
    """
    joint = probabilities.new_ones(len(probabilities), 1)
    for bit in probabilities.unbind(1):
        joint = torch.cat([joint * (1 - bit).unsqueeze(1), joint * bit.unsqueeze(1)], dim=1)
    own = joint.mean(0)
    mean = own + (mean_over_processes(own) - own.detach())
    return sum_of_plogp(mean).sum()
