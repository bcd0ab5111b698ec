"""SEANet encoder and decoder (arXiv:2009.02095, as in EnCodec, arXiv:2210.13438), causal.

Zero padding on the left only, kernels 2 * stride at every change of rate, an optional LSTM at the
frame rate. Layers work on (batch, time, channels); the order turns at the border.
"""

from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError
from audiocodec.modules.conv import CausalConv, CausalTransposedConv
from audiocodec.modules.streaming import StreamState


@dataclass(frozen=True)
class SeanetConfig:
    """One configuration serves the encoder and, mirrored, the decoder."""

    n_filters: int = 32  # channels at the sample rate; they double at every stride
    ratios: tuple[int, ...] = (2, 4, 5, 8)  # strides from the waveform down
    residual_units: int = 1  # per rate, with dilations 1, 2, 4, ...
    residual_kernel_size: int = 3
    kernel_size: int = 7  # first and last convolution
    compress: int = 2  # channels are divided by this inside residual units
    lstm_layers: int = 0

    def __post_init__(self) -> None:
        if not self.ratios or min(self.ratios) < 1:
            raise ConfigError(f"seanet.ratios are {self.ratios}; give positive strides")
        if self.n_filters < self.compress or self.compress < 1:
            raise ConfigError("seanet.n_filters must be at least compress, and both positive")

    @property
    def hop_length(self) -> int:
        return prod(self.ratios)


class SeanetEncoderConfig(SeanetConfig):
    """Encoder of kind `seanet`."""


class SeanetDecoderConfig(SeanetConfig):
    """Decoder of kind `seanet`; its ratios are those of the encoder, in the same order."""


class ResidualUnit(nn.Module):
    """x + conv1(elu(conv_k(elu(x)))), dilated in the inner convolution."""

    def __init__(self, channels: int, kernel_size: int, dilation: int, compress: int) -> None:
        super().__init__()
        hidden = channels // compress
        self.inner = CausalConv(channels, hidden, kernel_size, dilation=dilation)
        self.outer = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        return x + self.outer(F.elu(self.inner(F.elu(x), state)))


class StreamingLstm(nn.Module):
    """A unidirectional LSTM with a skip; its cells are part of the stream's state."""

    def __init__(self, channels: int, num_layers: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(channels, channels, num_layers, batch_first=True)

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        x = x.to(next(self.lstm.parameters()).dtype)
        past = state.get(self) if state is not None else None
        # States are kept batch first, as all past is, and turned to (layers, batch, channels).
        cells = None if past is None else tuple(c.transpose(0, 1).contiguous() for c in past)
        output, (hidden, cell) = self.lstm(x, cells)
        if state is not None:
            state.put(self, hidden.transpose(0, 1), cell.transpose(0, 1))
        return x + output


def _residual_units(config: SeanetConfig, channels: int) -> list[nn.Module]:
    return [
        ResidualUnit(channels, config.residual_kernel_size, 2**unit, config.compress)
        for unit in range(config.residual_units)
    ]


def _run(layers: nn.ModuleList, x: Tensor, state: StreamState | None) -> Tensor:
    for layer in layers:
        x = F.elu(x) if isinstance(layer, nn.ELU) else layer(x, state)
    return x


class SeanetEncoder(nn.Module):
    """Waveform (batch, 1, time) to latent (batch, latent_dim, frames); time is whole hops."""

    causal = True

    def __init__(self, config: SeanetEncoderConfig, latent_dim: int) -> None:
        super().__init__()
        self.hop_length = config.hop_length
        width = config.n_filters
        layers: list[nn.Module] = [CausalConv(1, width, config.kernel_size)]
        for ratio in config.ratios:
            layers += _residual_units(config, width)
            layers += [nn.ELU(), CausalConv(width, 2 * width, 2 * ratio, ratio)]
            width *= 2
        if config.lstm_layers:
            layers.append(StreamingLstm(width, config.lstm_layers))
        layers += [nn.ELU(), CausalConv(width, latent_dim, config.kernel_size)]
        self.layers = nn.ModuleList(layers)

    def forward(self, waveform: Tensor, state: StreamState | None = None) -> Tensor:
        return _run(self.layers, waveform.transpose(1, 2), state).transpose(1, 2)


class SeanetDecoder(nn.Module):
    """Latent (batch, latent_dim, frames) to waveform (batch, 1, frames * hop_length), no delay."""

    causal = True
    delay = 0

    def __init__(self, config: SeanetDecoderConfig, latent_dim: int, hop_length: int) -> None:
        super().__init__()
        if config.hop_length != hop_length:
            raise ConfigError(
                f"decoder.ratios multiply to {config.hop_length}, the encoder's hop is {hop_length}"
            )
        width = config.n_filters * 2 ** len(config.ratios)
        layers: list[nn.Module] = [CausalConv(latent_dim, width, config.kernel_size)]
        if config.lstm_layers:
            layers.append(StreamingLstm(width, config.lstm_layers))
        for ratio in reversed(config.ratios):
            layers += [nn.ELU(), CausalTransposedConv(width, width // 2, ratio)]
            width //= 2
            layers += _residual_units(config, width)
        layers += [nn.ELU(), CausalConv(width, 1, config.kernel_size)]
        self.layers = nn.ModuleList(layers)

    def forward(self, latent: Tensor, state: StreamState | None = None) -> Tensor:
        waveform = _run(self.layers, latent.transpose(1, 2), state).transpose(1, 2)
        return waveform.to(torch.promote_types(waveform.dtype, torch.float32))
