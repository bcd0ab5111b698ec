"""How a gradient passes the choice of a code: the value is the code, the slope is chosen.

The value is returned bit for bit. `latent + (code - latent).detach()` would round it, and decoding
stored codes would differ from what training saw.
"""

from typing import Any, Literal

import torch
from torch import Tensor

Gradient = Literal["straight_through", "rotation"]


def pass_gradient(latent: Tensor, quantized: Tensor, gradient: Gradient) -> Tensor:
    """`quantized` (batch, dim, *positions), as a function of `latent` of the same shape."""
    function = _StraightThrough if gradient == "straight_through" else _Rotation
    passed: Tensor = function.apply(latent, quantized.detach())
    return passed


class _StraightThrough(torch.autograd.Function):
    """The gradient of the identity (arXiv:1308.3432)."""

    @staticmethod
    def forward(ctx: Any, latent: Tensor, quantized: Tensor) -> Tensor:
        return quantized.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None


class _Rotation(torch.autograd.Function):
    """The gradient of the rotation and scaling that turn a latent into its code (arXiv:2410.06424).

    With unit vectors u of the latent and v of the code and w = (u + v) / |u + v| the map is
    |code| / |latent| * (I - 2 w w^T + 2 v u^T), held constant.
    """

    @staticmethod
    def forward(ctx: Any, latent: Tensor, quantized: Tensor) -> Tensor:
        ctx.save_for_backward(latent, quantized)
        return quantized.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        latent, quantized = ctx.saved_tensors
        tiny = torch.finfo(latent.dtype).tiny ** 0.5
        lengths = [torch.linalg.vector_norm(x, dim=1, keepdim=True) for x in (latent, quantized)]
        u, v = latent / lengths[0].clamp_min(tiny), quantized / lengths[1].clamp_min(tiny)
        w = u + v
        w = w / torch.linalg.vector_norm(w, dim=1, keepdim=True).clamp_min(tiny)
        turned = grad - 2 * w * (w * grad).sum(1, keepdim=True)
        turned = turned + 2 * u * (v * grad).sum(1, keepdim=True)
        return turned * lengths[1] / lengths[0].clamp_min(tiny), None
