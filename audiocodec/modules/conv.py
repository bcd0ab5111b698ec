"""Causal convolutions over (batch, time, channels); the padding rules of the codec, once.

Dense convolutions are one matrix product on gathered frames: exact in float64 (where oneDNN has no
kernel), fast in bfloat16, and channels stay last for the layer norms and pointwise layers between.
Every output step depends on its own and earlier input steps only.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.modules.streaming import StreamState, with_past


class CausalConv(nn.Module):
    """Convolution of kernel `kernel_size` and stride `stride`; time must be a multiple of stride.

    Output step t sees the inputs up to (t + 1) * stride - 1: the newest `stride` inputs and
    (kernel_size - 1) * dilation + 1 - stride past ones. (batch, time, in) -> (batch, time / stride,
    out).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.dilation = kernel_size, stride, dilation
        self.past = (kernel_size - 1) * dilation + 1 - stride
        if self.past < 0:
            raise ValueError(f"kernel {kernel_size} does not cover stride {stride}")
        self.linear = nn.Linear(kernel_size * in_channels, out_channels)  # taps major, oldest first

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        if x.shape[1] % self.stride:
            raise ValueError(f"{x.shape[1]} steps are not a multiple of the stride {self.stride}")
        padded = with_past(self, x, self.past, state)
        span = (self.kernel_size - 1) * self.dilation + 1
        frames = padded.unfold(1, span, self.stride)[..., :: self.dilation]  # (batch, t, in, taps)
        taps_major = frames.transpose(2, 3).flatten(2)
        output: Tensor = self.linear(taps_major)
        return output


class CausalTransposedConv(nn.Module):
    """Upsampling by `stride` with kernel 2 * stride: output block t from input steps t and t - 1.

    (batch, time, in) -> (batch, time * stride, out).
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride, self.out_channels = stride, out_channels
        self.linear = nn.Linear(2 * in_channels, stride * out_channels)  # (older, newer) step

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        padded = with_past(self, x, 1, state)
        pairs = torch.cat([padded[:, :-1], padded[:, 1:]], dim=-1)
        blocks: Tensor = self.linear(pairs)
        return blocks.unflatten(-1, (self.stride, self.out_channels)).flatten(1, 2)


class CausalDepthwiseConv(nn.Module):
    """One filter of `kernel_size` taps a channel: (batch, time, channels) to the same shape."""

    def __init__(self, channels: int, kernel_size: int) -> None:
        super().__init__()
        bound = kernel_size**-0.5
        self.weight = nn.Parameter(torch.empty(kernel_size, channels).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        padded = with_past(self, x, self.weight.shape[0] - 1, state)
        return depthwise(padded, self.weight) + self.bias


def depthwise(padded: Tensor, weight: Tensor) -> Tensor:
    """Correlate each channel of (batch, time + taps - 1, channels) with `weight` (taps, channels).

    On a CPU the taps are shifted multiply-adds over channels-last data (benchmarks/training.py
    measures both); elsewhere the library's depthwise convolution.
    """
    if torch.compiler.is_compiling():  # fuses the products, but miscompiles our own backward
        time = padded.shape[1] - weight.shape[0] + 1
        products = [padded[:, k : k + time] * taps for k, taps in enumerate(weight)]
        return torch.stack(products).sum(0)
    if padded.device.type == "cpu":
        filtered: Tensor = _ShiftedMultiplyAdd.apply(padded, weight)
        return filtered
    channels = weight.shape[1]
    by_channel = F.conv1d(padded.transpose(1, 2), weight.t().unsqueeze(1), groups=channels)
    return by_channel.transpose(1, 2)


class _ShiftedMultiplyAdd(torch.autograd.Function):
    """Sum over taps k of padded[:, k : k + time] * weight[k], keeping no product for backward."""

    @staticmethod
    def forward(ctx: Any, padded: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(padded, weight)
        time = padded.shape[1] - weight.shape[0] + 1
        output = padded[:, :time] * weight[0]
        for tap in range(1, weight.shape[0]):
            output.addcmul_(padded[:, tap : tap + time], weight[tap])
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        padded, weight = ctx.saved_tensors
        time = grad.shape[1]
        grad_padded = torch.zeros_like(padded)
        grad_weight = torch.empty_like(weight)
        for tap in range(weight.shape[0]):
            grad_padded[:, tap : tap + time].addcmul_(grad, weight[tap])
            grad_weight[tap] = (grad * padded[:, tap : tap + time]).sum((0, 1))
        return grad_padded, grad_weight
