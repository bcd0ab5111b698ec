"""The complex spectrum that discriminators of spectra look at."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiocodec.discriminators.base import DiscriminatorConfig
from audiocodec.features.stft import PadMode, WindowKind, compressed, make_window, stft

FLOOR = 1e-3  # magnitudes below it are not raised any further


@dataclass(frozen=True)
class SpectrumConfig(DiscriminatorConfig):
    hop_divisor: int = 4  # hop = n_fft / divisor
    window: WindowKind = "hann"
    unit_energy: bool = True  # windows, so that all lengths see the same level of noise
    exponent: float = 0.5  # compression of the magnitudes, so that quiet parts count too
    pad_mode: PadMode = "constant"


class Spectrum(nn.Module):
    """Complex spectrum (batch, frames, n_fft / 2 + 1) of waveforms (batch, 1, time)."""

    window: Tensor

    def __init__(self, n_fft: int, config: SpectrumConfig) -> None:
        super().__init__()
        self.hop_length, self.config = n_fft // config.hop_divisor, config
        window = make_window(config.window, n_fft, config.unit_energy)
        self.register_buffer("window", window, persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        spectrum = stft(waveform.squeeze(1), self.window, self.hop_length, self.config.pad_mode)
        if self.config.exponent == 1:
            return spectrum
        return compressed(spectrum, self.config.exponent, FLOOR)


def as_image(spectrum: Tensor) -> Tensor:
    """Real and imaginary part as channels: (batch, 2, frames, bins), stored channels last."""
    return torch.view_as_real(spectrum).permute(0, 3, 1, 2)
