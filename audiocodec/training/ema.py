"""Exponential moving average of a module's parameters."""

import copy
from typing import Generic, TypeVar

import torch
from torch import nn

M = TypeVar("M", bound=nn.Module)


class Ema(Generic[M]):
    """`average` follows the parameters of a module; it is what validation and release use."""

    def __init__(self, module: M, decay: float, warmup: bool = True) -> None:
        self.average: M = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay, self.warmup = decay, warmup
        self.updates = 0
        saved = self.average.state_dict().keys()
        self._buffers = [name for name, _ in module.named_buffers() if name in saved]

    @torch.no_grad()
    def update(self, module: M) -> None:
        """Move towards `module`; with `warmup` young averages forget faster, so that the start
        leaves no trace.

        Saved buffers are copied; those that are not saved are constants.
        """
        self.updates += 1
        decay = self.decay
        if self.warmup:
            decay = min(decay, self.updates / (self.updates + 9))
        torch._foreach_lerp_(list(self.average.parameters()), list(module.parameters()), 1 - decay)
        for name in self._buffers:
            self.average.get_buffer(name).copy_(module.get_buffer(name))
