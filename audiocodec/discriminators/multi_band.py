"""Multi-band complex STFT discriminator (DAC, arXiv:2306.06546): a network for each band."""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.discriminators.base import Discriminator, ScaleOutputs, conv2d
from audiocodec.discriminators.spectrum import Spectrum, SpectrumConfig, as_image
from audiocodec.errors import ConfigError
from audiocodec.features.stft import check_windows


@dataclass(frozen=True)
class MultiBandConfig(SpectrumConfig):
    n_ffts: tuple[int, ...] = (2048, 1024, 512)
    channels: int = 32
    edges: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0)  # of bands, in parts of the bins

    def __post_init__(self) -> None:
        check_windows(self.n_ffts, self.hop_divisor)
        for n_fft in self.n_ffts:
            bounds = band_bounds(n_fft, self.edges)
            if len(bounds) < 2 or bounds[0] < 0 or bounds[-1] > n_fft // 2 + 1:
                raise ConfigError(f"band edges {self.edges}: give two or more from 0 to 1")
            if any(low >= high for low, high in pairwise(bounds)):
                raise ConfigError(f"band edges {self.edges} leave a band of n_fft {n_fft} no bins")


def band_bounds(n_fft: int, edges: tuple[float, ...]) -> list[int]:
    """The first bin of each band, and the end of the last."""
    return [int(edge * (n_fft // 2 + 1)) for edge in edges]


class MultiBand(Discriminator):
    """One set of networks a window length; within it, bands meet in the last layer only."""

    def __init__(self, config: MultiBandConfig) -> None:
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(_Bands(n_fft, config) for n_fft in config.n_ffts)

    def forward(self, waveform: Tensor) -> ScaleOutputs:
        return [scale(waveform) for scale in self.scales]


class _Bands(nn.Module):
    def __init__(self, n_fft: int, config: MultiBandConfig) -> None:
        super().__init__()
        self.spectrum = Spectrum(n_fft, config)
        self.bounds = list(pairwise(band_bounds(n_fft, config.edges)))
        self.bands = nn.ModuleList(_Band(config.channels) for _ in self.bounds)
        self.post = conv2d(config.channels, 1, (3, 3))

    def forward(self, waveform: Tensor) -> tuple[Tensor, list[Tensor]]:
        image = as_image(self.spectrum(waveform))  # (batch, 2, frames, bins)
        of_bands = [
            band(image[..., low:high])
            for band, (low, high) in zip(self.bands, self.bounds, strict=True)
        ]
        maps = [feature_map for maps in of_bands for feature_map in maps]
        return self.post(torch.cat([maps[-1] for maps in of_bands], dim=-1)), maps


class _Band(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList([conv2d(2, channels, (3, 9))])
        self.convs.extend(conv2d(channels, channels, (3, 9), (1, 2)) for _ in range(3))
        self.convs.append(conv2d(channels, channels, (3, 3)))

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1, inplace=True)
            maps.append(x)
        return maps
