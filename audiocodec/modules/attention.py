"""Layers that look at a whole sequence at once: (batch, channels, time) to the same shape."""

from torch import Tensor, nn
from torch.nn import functional as F


def group_norm(channels: int, groups: int) -> nn.GroupNorm:
    """Statistics of groups of channels over all of time."""
    return nn.GroupNorm(groups, channels, eps=1e-6)


class ResnetBlock(nn.Module):
    """Twice norm, swish, convolution of 3 taps; dropout before the second; skip."""

    def __init__(self, channels: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = group_norm(channels, groups)
        self.conv1 = nn.Conv1d(channels, channels, 3, padding=1)
        self.norm2 = group_norm(channels, groups)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = nn.Conv1d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.conv1(F.silu(self.norm1(x)))
        hidden = self.conv2(self.dropout(F.silu(self.norm2(hidden))))
        return x + hidden


class SelfAttention(nn.Module):
    """One head as wide as the channels over the whole sequence, without positions; skip."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.norm = group_norm(channels, groups)
        self.query = nn.Conv1d(channels, channels, 1)
        self.key = nn.Conv1d(channels, channels, 1)
        self.value = nn.Conv1d(channels, channels, 1)
        self.output = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        q, k, v = (layer(normed).mT.unsqueeze(1) for layer in (self.query, self.key, self.value))
        # One head: (batch, 1, time, channels). Scaled by channels ** -0.5.
        attended = F.scaled_dot_product_attention(q, k, v).squeeze(1).mT
        return x + self.output(attended.contiguous())


class SequenceMixer(nn.Module):
    """Two residual blocks, attention, two residual blocks, group norm."""

    def __init__(self, channels: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            [
                ResnetBlock(channels, groups, dropout),
                ResnetBlock(channels, groups, dropout),
                SelfAttention(channels, groups),
                ResnetBlock(channels, groups, dropout),
                ResnetBlock(channels, groups, dropout),
                group_norm(channels, groups),
            ]
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return x
