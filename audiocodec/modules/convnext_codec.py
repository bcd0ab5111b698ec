"""Encoder and decoder of ConvNeXt blocks: strided convolutions down, a synthesis head up; causal.

No attention, no group norm, no statistic over time: batch = single, chunked = whole and streamed =
offline hold by construction. Layers work on (batch, time, channels); the order turns at the border.
"""

from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.config import one_of
from audiocodec.errors import ConfigError
from audiocodec.features.mdct import mdct_basis
from audiocodec.modules.careful import norm_careful
from audiocodec.modules.conv import CausalConv
from audiocodec.modules.convnext import ConvNextStack
from audiocodec.modules.front import SpectralFront, compress
from audiocodec.modules.heads import HEADS, IstftHeadConfig
from audiocodec.modules.streaming import StreamState


@dataclass(frozen=True)
class ConvNextEncoderConfig:
    """Stages of a strided convolution (kernel 2 * stride) and ConvNeXt blocks at the new rate."""

    strides: tuple[int, ...] = (40, 4, 2)
    channels: tuple[int, ...] = (96, 192, 384)
    blocks: tuple[int, ...] = (1, 2, 4)
    kernel_size: int = 7  # of the depthwise convolutions, in frames of their stage
    expansion: int = 3
    mdct_start: bool = False  # the first kernels start as an MDCT (as many as fit)
    mel_bands: int = 0  # more: the first layer is an MDCT, with log energies of so many bands
    compression: float = 30.0  # asinh(c x) / asinh(c) of the first layer's spectra; 0: none

    def __post_init__(self) -> None:
        if not len(self.strides) == len(self.channels) == len(self.blocks) > 0:
            raise ConfigError("encoder.strides, channels and blocks must have the same length")
        if min(*self.strides, *self.channels, 1) < 1 or min(self.blocks) < 0:
            raise ConfigError("encoder.strides and channels must be positive, blocks not negative")
        if self.mel_bands < 0 or (self.mel_bands and not self.compression > 0):
            raise ConfigError("encoder.mel_bands is 0 or more, and needs a compression above 0")
        if self.mel_bands and self.mdct_start:
            raise ConfigError("encoder.mel_bands has an MDCT of its own; leave out mdct_start")

    @property
    def hop_length(self) -> int:
        return prod(self.strides)


class ConvNextEncoder(nn.Module):
    """Waveform (batch, 1, time) to latent (batch, latent_dim, frames); time is whole hops.

    The latent has unit variance over its dimensions in every frame: a bounded target for the
    quantizer, which neither shrinking nor growing can make easier.
    """

    causal = True

    def __init__(self, config: ConvNextEncoderConfig, latent_dim: int) -> None:
        super().__init__()
        self.config, self.latent_dim, self.hop_length = config, latent_dim, config.hop_length
        widths = (1, *config.channels)
        self.downsample = nn.ModuleList(
            CausalConv(widths[i], widths[i + 1], 2 * stride, stride)
            for i, stride in enumerate(config.strides)
        )
        self.compression = config.compression
        if config.mel_bands:
            self.compression = 0.0  # the front does it
            self.downsample[0] = SpectralFront(
                config.strides[0], widths[1], config.mel_bands, config.compression
            )
        self.stacks = nn.ModuleList(
            ConvNextStack(width, depth, kernel_size=config.kernel_size, expansion=config.expansion)
            for width, depth in zip(config.channels, config.blocks, strict=True)
        )
        self.norm = nn.LayerNorm(widths[-1], eps=1e-6)
        self.project = nn.Linear(widths[-1], latent_dim)
        if config.mdct_start:
            self._start_as_mdct()

    @torch.no_grad()
    def _start_as_mdct(self) -> None:
        first: Any = self.downsample[0]
        rows = min(first.linear.out_features, first.stride)
        first.linear.weight[:rows] = mdct_basis(first.stride)[:rows]
        first.linear.bias.zero_()

    def forward(self, waveform: Tensor, state: StreamState | None = None) -> Tensor:
        x = waveform.transpose(1, 2)  # (batch, time, 1)
        for index, (downsample, stack) in enumerate(zip(self.downsample, self.stacks, strict=True)):
            x = downsample(x, state).to(self.norm.weight.dtype)  # the skip path is never half
            if index == 0 and self.compression:
                x = compress(x, self.compression)
            x = stack(x, state)
        latent = self.project(self.norm(x)).to(self.norm.weight.dtype)
        return F.layer_norm(latent, (self.latent_dim,)).transpose(1, 2)


@dataclass(frozen=True)
class ConvNextDecoderConfig:
    channels: int = 512
    blocks: int = 6
    kernel_size: int = 7
    expansion: int = 3
    lookahead: int = 0  # future frames that each frame may see; latency grows with it
    head: Any = one_of(HEADS, IstftHeadConfig())

    def __post_init__(self) -> None:
        if self.lookahead < 0:
            raise ConfigError(f"decoder.lookahead is {self.lookahead}; give 0 or more frames")


class ConvNextDecoder(nn.Module):
    """Latent (batch, latent_dim, frames) to waveform blocks (batch, 1, frames * hop_length).

    The blocks come out `delay` frames late, so callers push `delay` zero frames after the last one
    and drop as many blocks from the start.
    """

    causal = True

    def __init__(self, config: ConvNextDecoderConfig, latent_dim: int, hop_length: int) -> None:
        super().__init__()
        self.embed = CausalConv(latent_dim, config.channels, config.kernel_size)
        self.norm_in = nn.LayerNorm(config.channels, eps=1e-6)
        self.stack = ConvNextStack(
            config.channels,
            config.blocks,
            kernel_size=config.kernel_size,
            expansion=config.expansion,
        )
        self.norm_out = nn.LayerNorm(config.channels, eps=1e-6)
        self.head = HEADS.build(config.head, config.channels, hop_length)
        self.delay: int = config.lookahead + self.head.delay

    def forward(self, latent: Tensor, state: StreamState | None = None, draws: int = 1) -> Tensor:
        """`draws` of a head that makes noise are rows of the batch, one draw after the other."""
        x = self.embed(latent.transpose(1, 2), state)  # (batch, frames, channels)
        x = self.norm_in(x.to(self.norm_in.weight.dtype))
        features = norm_careful(self.norm_out, self.stack(x, state))
        waveform: Tensor = self.head(features.repeat(draws, 1, 1), state)
        return waveform.unsqueeze(1)
