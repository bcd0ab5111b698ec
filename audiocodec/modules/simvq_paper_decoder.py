"""The decoder of the published SimVQ codec: Vocos (arXiv:2306.00814) with attention before it.

As in WavTokenizer (arXiv:2408.16532), but with plain layer norms. Attention and group norms see the
whole utterance: a frame depends on all others and on their number, nothing can be streamed.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError
from audiocodec.modules.attention import SequenceMixer
from audiocodec.modules.conv import CausalDepthwiseConv, depthwise
from audiocodec.modules.convnext import ConvNextBlock
from audiocodec.modules.heads import windowed_frames
from audiocodec.modules.streaming import StreamState


@dataclass(frozen=True)
class SimvqPaperDecoderConfig:
    """The defaults are the published ones."""

    channels: int = 768
    blocks: int = 12
    kernel_size: int = 7
    expansion: int = 3
    groups: int = 32  # of the group norms
    dropout: float = 0.1  # in the residual blocks around the attention
    n_fft: int = 1280

    def __post_init__(self) -> None:
        if self.channels % self.groups:
            raise ConfigError(
                f"decoder.channels is {self.channels}; it must be a multiple of decoder.groups "
                f"({self.groups})"
            )
        if self.kernel_size % 2 == 0:
            raise ConfigError(f"decoder.kernel_size is {self.kernel_size}; give an odd number")


class CentredDepthwiseConv(CausalDepthwiseConv):
    """Sees as many future as past steps."""

    def forward(self, x: Tensor, state: StreamState | None = None) -> Tensor:
        side = self.weight.shape[0] // 2
        return depthwise(F.pad(x, (0, 0, side, side)), self.weight) + self.bias


class CentredConvNextBlock(ConvNextBlock):
    """The block of Vocos."""

    def __init__(
        self, channels: int, *, kernel_size: int, expansion: int, layer_scale: float
    ) -> None:
        super().__init__(
            channels, kernel_size=kernel_size, expansion=expansion, layer_scale=layer_scale
        )
        self.depthwise = CentredDepthwiseConv(channels, kernel_size)


class WholeIstftHead(nn.Module):
    """Inverse STFT of a whole utterance, (batch, frames, channels) to (batch, frames * hop).

    Frames are centred on their hop; the sum of squared windows is divided out at the ends, too.
    """

    window: Tensor

    def __init__(self, channels: int, n_fft: int, hop_length: int) -> None:
        super().__init__()
        if n_fft % hop_length or (n_fft - hop_length) % 2:
            raise ConfigError(
                f"decoder.n_fft is {n_fft}; it must be a multiple of the hop {hop_length}, and "
                "both even"
            )
        self.n_fft, self.hop_length = n_fft, hop_length
        self.project = nn.Linear(channels, n_fft + 2)
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            frames = windowed_frames(self.project(features.to(self.window.dtype)), self.window)
            envelope = self.window.square().expand(1, frames.shape[1], -1)
            return self._overlap_add(frames) / self._overlap_add(envelope)

    def _overlap_add(self, frames: Tensor) -> Tensor:
        """(batch, frames, n_fft) -> (batch, frames * hop_length), the overhanging ends cut off."""
        segments = frames.unflatten(-1, (-1, self.hop_length))  # (batch, frames, overlap, hop)
        overlap = segments.shape[2]
        blocks = sum(
            F.pad(segments[:, :, part], (0, 0, part, overlap - 1 - part)) for part in range(overlap)
        )
        assert isinstance(blocks, Tensor)
        side = (self.n_fft - self.hop_length) // 2
        return blocks.flatten(1)[:, side : side + frames.shape[1] * self.hop_length]


class SimvqPaperDecoder(nn.Module):
    """Latent (batch, latent_dim, frames) to waveform (batch, 1, frames * hop_length), no delay."""

    causal = False
    delay = 0

    def __init__(self, config: SimvqPaperDecoderConfig, latent_dim: int, hop_length: int) -> None:
        super().__init__()
        channels, size = config.channels, config.kernel_size
        self.embed = nn.Conv1d(latent_dim, channels, size, padding=size // 2)
        self.norm_in = nn.LayerNorm(channels, eps=1e-6)
        self.blocks = nn.ModuleList(
            CentredConvNextBlock(
                channels,
                kernel_size=size,
                expansion=config.expansion,
                layer_scale=1 / config.blocks,
            )
            for _ in range(config.blocks)
        )
        self.norm_out = nn.LayerNorm(channels, eps=1e-6)
        self.apply(_start_small)
        self.mixer = SequenceMixer(channels, config.groups, config.dropout)
        self.head = WholeIstftHead(channels, config.n_fft, hop_length)

    def forward(self, latent: Tensor, state: StreamState | None = None) -> Tensor:
        assert state is None, "the whole utterance is needed"
        x = self.mixer(self.embed(latent)).mT  # (batch, frames, channels)
        x = self.norm_in(x.to(self.norm_in.weight.dtype))
        for block in self.blocks:
            x = block(x)
        waveform: Tensor = self.head(self.norm_out(x))
        return waveform.unsqueeze(1)


def _start_small(module: nn.Module) -> None:
    """The initial weights of Vocos."""
    if isinstance(module, nn.Conv1d | nn.Linear | CausalDepthwiseConv):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
