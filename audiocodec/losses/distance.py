"""Distances of one or two draws; absolute ones with a derivative in fewer passes than torch's."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def mean_absolute(fake: Tensor, real: Tensor) -> Tensor:
    """mean |fake - real| in float32, whatever both are in; no gradient for `real`."""
    result: Tensor = _MeanAbsolute.apply(fake, real.detach())
    return result


def energy_distance(fake: Tensor, real: Tensor, repulsion: float = 1.0) -> Tensor:
    """Mean |fake - real|, less half of `repulsion` times mean |fake - fake'| for two draws.

    With two draws and a repulsion of 1 this is half the generalized energy distance (Gritsenko et
    al. 2020, arXiv:2008.01160), which is smallest when fakes are distributed as the real: noise is
    then not punished for being other noise. Without repulsion a constant level would be best; for
    Gaussians that is so up to a repulsion of 2 - sqrt(2).

    Args:
        fake: (batch, ...), or (2 * batch, ...) with the rows of the first draw first.
        real: (batch, ...).
    """
    batch = real.shape[0]
    if fake.shape[0] == batch:
        return mean_absolute(fake, real)
    attraction = mean_absolute(fake, torch.cat([real, real]))
    between = repulsion * mean_absolute(fake, fake.roll(batch, 0))
    # Half of it is the value; its one-sided gradient is already half of the whole.
    return attraction - between + between.detach() / 2


def squared_energy_distance(fake: Tensor, real: Tensor) -> Tensor:
    """Mean (fake - real)**2, less half of mean (fake - fake')**2 for two draws of each fake.

    In expectation the squared error of the fakes' mean and the variance of the real: noise in the
    fakes costs nothing, and what they predict of the real pays. Shapes as in `energy_distance`.
    """
    if len(fake) == len(real):
        return F.mse_loss(fake, real)
    first, second = fake.chunk(2)
    attraction = (F.mse_loss(first, real) + F.mse_loss(second, real)) / 2
    return attraction - F.mse_loss(first, second) / 2


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
