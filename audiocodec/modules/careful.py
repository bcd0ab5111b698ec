"""Where a decoder computes in float64, so that every machine and runtime makes the same waveform.

Of a decoder's rounding errors most come from its last norm and from its head; in float64 these cost
little. Training is as precise as its weights.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def exact_dtype(device: torch.device) -> torch.dtype:
    """float64 wherever the device has it; Apple's GPUs have not."""
    return torch.float32 if device.type == "mps" else torch.float64


def careful_dtype(layer: nn.Module, x: Tensor, plain: torch.dtype) -> torch.dtype:
    """That of decoding; `plain` in training."""
    return plain if layer.training else torch.promote_types(plain, exact_dtype(x.device))


def norm_careful(norm: nn.LayerNorm, x: Tensor) -> Tensor:
    """The layer norm of (batch, time, channels), in float64 where that is careful."""
    if careful_dtype(norm, x, x.dtype) == x.dtype:
        normed: Tensor = norm(x)
        return normed
    return F.layer_norm(
        x.double(), norm.normalized_shape, norm.weight.double(), norm.bias.double(), norm.eps
    )
