"""Reconstruction losses on spectra; all in float32, gradients finite for silence."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.features.mel import mel_filters, mel_spectrogram
from audiocodec.features.stft import stft


@dataclass(frozen=True)
class MultiResolutionMelConfig:
    """One mel spectrogram a window length; `n_mels` of the same length as `windows`."""

    windows: tuple[int, ...] = (2048, 1024, 512, 256, 128)
    n_mels: tuple[int, ...] = (128, 80, 40, 20, 10)
    hop_divisor: int = 4  # hop = window / divisor
    floor: float = 3e-3  # of the mel magnitude under the logarithm
    scale: Literal["htk", "slaney"] = "slaney"
    high: float = 12_000.0  # Hz

    def __post_init__(self) -> None:
        if len(self.windows) != len(self.n_mels):
            raise ConfigError("mel windows and n_mels must have the same length")


class MultiResolutionMel(nn.Module):
    """Mean over resolutions of the L1 distance of ln(max(mel, floor))."""

    def __init__(self, config: MultiResolutionMelConfig, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        for index, (n_fft, n_mels) in enumerate(zip(config.windows, config.n_mels, strict=True)):
            self.register_buffer(f"window_{index}", torch.hann_window(n_fft), persistent=False)
            filters = mel_filters(sample_rate, n_fft, n_mels, config.scale, config.high)
            self.register_buffer(f"filters_{index}", filters, persistent=False)

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar distance of waveforms (batch, 1, time)."""
        total = fake.new_zeros(())
        for index, n_fft in enumerate(self.config.windows):
            with torch.no_grad():
                target = self._log_mel(real, index, n_fft)
            total = total + (self._log_mel(fake, index, n_fft) - target).abs().mean()
        return total / len(self.config.windows)

    def _log_mel(self, waveform: Tensor, index: int, n_fft: int) -> Tensor:
        window, filters = getattr(self, f"window_{index}"), getattr(self, f"filters_{index}")
        hop_length = n_fft // self.config.hop_divisor
        mel = mel_spectrogram(waveform.squeeze(1), window, hop_length, filters)
        return mel.clamp_min(self.config.floor).log()


@dataclass(frozen=True)
class MultiResolutionStftConfig:
    windows: tuple[int, ...] = (1024, 512)
    exponent: float = 0.5  # compression of the magnitudes; phases are kept


class MultiResolutionStft(nn.Module):
    """L1 distance of complex spectra with magnitudes compressed to |X|**exponent."""

    def __init__(self, config: MultiResolutionStftConfig) -> None:
        super().__init__()
        self.config = config
        for index, n_fft in enumerate(config.windows):
            self.register_buffer(f"window_{index}", torch.hann_window(n_fft), persistent=False)

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar distance of waveforms (batch, 1, time)."""
        total = fake.new_zeros(())
        for index, n_fft in enumerate(self.config.windows):
            window = getattr(self, f"window_{index}")
            with torch.no_grad():
                target = self._compressed(stft(real.squeeze(1), window, n_fft // 4))
            compressed = self._compressed(stft(fake.squeeze(1), window, n_fft // 4))
            total = total + (compressed - target).abs().mean()
        return total / len(self.config.windows)

    def _compressed(self, spectrum: Tensor) -> Tensor:
        power = spectrum.real.square() + spectrum.imag.square()
        gain = (power + 1e-4).pow((self.config.exponent - 1) / 2)
        return torch.view_as_real(spectrum) * gain.unsqueeze(-1)


def waveform_l1(real: Tensor, fake: Tensor) -> Tensor:
    """Mean absolute difference of samples."""
    return (real - fake).abs().mean()
