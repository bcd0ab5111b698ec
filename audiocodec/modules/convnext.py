"""ConvNeXt block for sequences (arXiv:2201.03545, as in Vocos, arXiv:2306.00814), made causal."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.modules.conv import CausalDepthwiseConv
from audiocodec.modules.streaming import StreamState


class ConvNextBlock(nn.Module):
    """Depthwise conv, layer norm over channels, two pointwise layers, layer scale, skip.

    (batch, time, channels) to the same shape; no statistic runs over time.
    """

    def __init__(
        self, channels: int, *, kernel_size: int, expansion: int, layer_scale: float
    ) -> None:
        super().__init__()
        self.depthwise = CausalDepthwiseConv(channels, kernel_size)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.expand = nn.Linear(channels, expansion * channels)
        self.reduce = nn.Linear(expansion * channels, channels)
        self.scale = nn.Parameter(torch.full((channels,), layer_scale))

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        hidden = self.norm(self.depthwise(x, state))
        hidden = self.reduce(F.gelu(self.expand(hidden)))
        return torch.addcmul(x, self.scale, hidden.to(x.dtype))


class ConvNextStack(nn.Module):
    """`depth` blocks one after the other."""

    def __init__(self, channels: int, depth: int, *, kernel_size: int, expansion: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            ConvNextBlock(
                channels, kernel_size=kernel_size, expansion=expansion, layer_scale=1 / depth
            )
            for _ in range(depth)
        )

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        for block in self.blocks:
            x = block(x, state)
        return x
