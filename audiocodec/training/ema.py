"""Exponential moving average of a module's parameters."""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


class Ema(Generic[M]):
    """`average` follows the parameters of a module; it is what validation and release use."""

    def __init__(self, module: M, decay: float) -> None:
        self.average: M = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay
        self.updates = 0

    @torch.no_grad()
    def update(self, module: M) -> None:
        """Move towards `module`; young averages forget faster, so the start leaves no trace."""
        self.updates += 1
        decay = min(self.decay, self.updates / (self.updates + 9))
        torch._foreach_lerp_(list(self.average.parameters()), list(module.parameters()), 1 - decay)
        for own, other in zip(self.average.buffers(), module.buffers(), strict=True):
            own.copy_(other)
