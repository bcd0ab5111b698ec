"""The encoder of the published SimVQ codec: SEANet with reflect padding and an LSTM.

The convolutions of EnCodec (arXiv:2210.13438) in its causal mode. They pad on the left by mirroring
the start of the signal, so the first frames depend on later ones, and on the right until the last
window is full: the encoder takes any length and needs the whole signal.
"""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from audiocodec.modules.seanet import SeanetConfig
from audiocodec.modules.streaming import StreamState


@dataclass(frozen=True)
class SimvqPaperEncoderConfig(SeanetConfig):
    """The defaults are the published ones."""

    lstm_layers: int = 2
    weight_norm: bool = False  # train lengths and directions apart; off where they were folded


class ReflectConv(nn.Module):
    """Convolution (batch, in, time) to (batch, out, ceil(time / stride)), mirrored at both ends."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        dilation: int = 1,
        *,
        weight_normed: bool = False,
    ) -> None:
        super().__init__()
        conv = nn.Conv1d(in_channels, out_channels, kernel_size, stride, dilation=dilation)
        self.conv = weight_norm(conv) if weight_normed else conv
        self.stride, self.left = stride, (kernel_size - 1) * dilation + 1 - stride

    def forward(self, x: Tensor) -> Tensor:
        convolved: Tensor = self.conv(mirror(x, self.left, -x.shape[-1] % self.stride))
        return convolved


def mirror(x: Tensor, left: int, right: int) -> Tensor:
    """Reflect padding that also serves signals shorter than it: zeros are mirrored with them."""
    missing = max(0, max(left, right) - x.shape[-1] + 1)
    padded = F.pad(F.pad(x, (0, missing)), (left, right), mode="reflect")
    return padded[..., : padded.shape[-1] - missing]


class SimvqPaperUnit(nn.Module):
    """shortcut(x) + conv1(elu(conv_k(elu(x)))): the shortcut is a learned matrix."""

    def __init__(self, channels: int, dilation: int, config: SimvqPaperEncoderConfig) -> None:
        super().__init__()
        hidden, normed = channels // config.compress, config.weight_norm
        self.inner = ReflectConv(
            channels, hidden, config.residual_kernel_size, 1, dilation, weight_normed=normed
        )
        self.outer = ReflectConv(hidden, channels, 1, weight_normed=normed)
        self.shortcut = ReflectConv(channels, channels, 1, weight_normed=normed)

    def forward(self, x: Tensor) -> Tensor:
        outer: Tensor = self.outer(F.elu(self.inner(F.elu(x))))
        return self.shortcut(x) + outer


class LstmWithSkip(nn.Module):
    """x + lstm(x) over (batch, channels, time)."""

    def __init__(self, channels: int, num_layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, num_layers, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        steps = x.mT.to(next(self.lstm.parameters()).dtype)  # (batch, time, channels)
        output, _ = self.lstm(steps)
        return (steps + output).mT


class SimvqPaperEncoder(nn.Module):
    """Waveform (batch, 1, time), any time of 1 or more, to latent (batch, latent_dim, frames)."""

    causal = False

    def __init__(self, config: SimvqPaperEncoderConfig, latent_dim: int) -> None:
        super().__init__()
        self.hop_length, normed = config.hop_length, config.weight_norm
        width, size = config.n_filters, config.kernel_size
        layers: list[nn.Module] = [ReflectConv(1, width, size, weight_normed=normed)]
        for ratio in config.ratios:
            layers += [
                SimvqPaperUnit(width, 2**unit, config) for unit in range(config.residual_units)
            ]
            down = ReflectConv(width, 2 * width, 2 * ratio, ratio, weight_normed=normed)
            layers += [nn.ELU(), down]
            width *= 2
        if config.lstm_layers:
            layers.append(LstmWithSkip(width, config.lstm_layers))
        layers += [nn.ELU(), ReflectConv(width, latent_dim, size, weight_normed=normed)]
        self.layers = nn.Sequential(*layers)

    def forward(self, waveform: Tensor, state: StreamState | None = None) -> Tensor:
        assert state is None, "the whole signal is needed"
        latent: Tensor = self.layers(waveform)
        return latent
