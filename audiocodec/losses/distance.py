"""Mean absolute differences, whose derivative torch computes in more passes than it needs."""

from typing import Any

import torch
from torch import Tensor


def mean_absolute(fake: Tensor, real: Tensor) -> Tensor:
    """mean |fake - real| in float32, whatever both are in; no gradient for `real`."""
    result: Tensor = _MeanAbsolute.apply(fake, real.detach())
    return result


def energy_distance(fake: Tensor, real: Tensor) -> Tensor:
    """Mean |fake - real|, less half of mean |fake - fake'| for two draws of each fake.

    With two draws this is half the generalized energy distance (Gritsenko et al. 2020,
    arXiv:2008.01160), which is smallest when fakes are distributed as the real: noise is then not
    punished for being other noise. Without the second term a constant level would be best.

    Args:
        fake: (batch, ...), or (2 * batch, ...) with the rows of the first draw first.
        real: (batch, ...).
    """
    batch = real.shape[0]
    draws = fake.shape[0] // batch
    if draws == 1:
        return mean_absolute(fake, real)
    attraction = mean_absolute(fake, real.repeat(draws, *(1,) * (real.dim() - 1)))
    repulsion = mean_absolute(fake, fake.roll(batch, 0))
    # Half of it is the value; its one-sided gradient is already half of the whole.
    return attraction - repulsion + repulsion.detach() / 2


class _MeanAbsolute(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, fake: Tensor, real: Tensor) -> Tensor:
        difference = fake - real
        ctx.save_for_backward(difference)
        return difference.abs().mean(dtype=torch.float32)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (difference,) = ctx.saved_tensors
        return difference.sgn() * (gradient / difference.numel()), None
