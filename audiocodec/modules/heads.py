"""Synthesis heads: features at the frame rate to waveform, by an inverse transform.

Frame t of a head covers blocks t - delay ... t - delay + overlap - 1 of `hop_length` samples, so
block t - delay is complete, and emitted, when frame t arrives. The overlap-add is a shift and a sum
of whole blocks: no fold, no loop over frames. All of it runs in float32.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.features.mdct import mdct_basis
from audiocodec.modules.harmonic import HarmonicHead, HarmonicHeadConfig
from audiocodec.modules.overlap import MAX_LOG_MAGNITUDE, overlap_add
from audiocodec.modules.streaming import StreamState
from audiocodec.registry import Registry


@dataclass(frozen=True)
class MdctHeadConfig:
    """Each frame is `hop_length` MDCT coefficients exp(magnitude) * cos(phase)."""

    initial_log_magnitude: float = -5.0


class MdctHead(nn.Module):
    """Inverse MDCT with a learned basis that starts as the true one; overlap 2 blocks, delay 1."""

    delay = 1

    def __init__(self, config: MdctHeadConfig, channels: int, hop_length: int) -> None:
        super().__init__()
        self.hop_length = hop_length
        self.project = nn.Linear(channels, 2 * hop_length)
        with torch.no_grad():
            self.project.bias[:hop_length].fill_(config.initial_log_magnitude)
        self.basis = nn.Parameter(mdct_basis(hop_length))

    def forward(self, features: Tensor, state: StreamState | None = None) -> Tensor:
        """(batch, frames, channels) -> (batch, frames * hop_length)."""
        with torch.autocast(features.device.type, enabled=False):
            projected = self.project(features.to(self.basis.dtype))
            log_magnitude, phase = projected.chunk(2, dim=-1)
            coefficients = log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp() * phase.cos()
            segments = (coefficients @ self.basis).unflatten(-1, (2, self.hop_length))
            return overlap_add(self, segments, state).flatten(1)


def windowed_frames(projected: Tensor, window: Tensor) -> Tensor:
    """Frames (..., n_fft) of log magnitudes and phases (..., n_fft + 2), times `window`."""
    log_magnitude, phase = projected.chunk(2, dim=-1)
    magnitude = log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp()
    spectrum = torch.complex(magnitude * phase.cos(), magnitude * phase.sin())
    return torch.fft.irfft(spectrum, n=len(window), dim=-1) * window


@dataclass(frozen=True)
class IstftHeadConfig:
    """Each frame is an n_fft-point spectrum of magnitude exp(m) and phase p (Vocos)."""

    n_fft: int = 1280
    delay: int = 2  # blocks: 2 centres the window on the start of the newest block


class IstftHead(nn.Module):
    """Inverse STFT with a periodic Hann window; n_fft is a multiple of the hop."""

    window: Tensor

    def __init__(self, config: IstftHeadConfig, channels: int, hop_length: int) -> None:
        super().__init__()
        n_fft = config.n_fft
        if n_fft % hop_length or n_fft < 2 * hop_length:
            raise ConfigError(
                f"head.n_fft is {n_fft}; it must be a multiple (2 or more) of the hop {hop_length}"
            )
        if not 0 <= config.delay < n_fft // hop_length:
            raise ConfigError(
                f"head.delay is {config.delay}; 0 to {n_fft // hop_length - 1} blocks"
            )
        self.delay, self.hop_length = config.delay, hop_length
        self.project = nn.Linear(channels, n_fft + 2)
        with torch.no_grad():
            self.project.bias[: n_fft // 2 + 1].fill_(-2.0)
        window = torch.hann_window(n_fft)
        # Shifted squares of the Hann window sum to a constant, so dividing by it is the whole of
        # the normalisation; the edges need no other rule and streaming no special case.
        envelope = window.square().unflatten(0, (-1, hop_length)).sum(0).mean()
        self.register_buffer("window", window / envelope, persistent=False)

    def forward(self, features: Tensor, state: StreamState | None = None) -> Tensor:
        """(batch, frames, channels) -> (batch, frames * hop_length)."""
        with torch.autocast(features.device.type, enabled=False):
            frames = windowed_frames(self.project(features.to(self.window.dtype)), self.window)
            segments = frames.unflatten(-1, (-1, self.hop_length))
            return overlap_add(self, segments, state).flatten(1)


HEADS = Registry(
    "head",
    {
        "harmonic": (HarmonicHeadConfig, HarmonicHead),
        "istft": (IstftHeadConfig, IstftHead),
        "mdct": (MdctHeadConfig, MdctHead),
    },
)
