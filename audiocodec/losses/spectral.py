"""Reconstruction losses on spectra; all in float32, gradients finite for silence."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.features.mel import MelScale, mel_filters, mel_spectrogram
from audiocodec.features.stft import (
    PadMode,
    check_windows,
    compressed,
    magnitude,
    make_window,
    stft,
)
from audiocodec.losses.distance import energy_distance


@dataclass(frozen=True)
class MultiResolutionMelConfig:
    """One mel spectrogram a window length; `n_mels` of the same length as `windows`."""

    windows: tuple[int, ...] = (2048, 1024, 512, 256, 128)
    n_mels: tuple[int, ...] = (128, 80, 40, 20, 10)
    hop_divisor: int = 4  # hop = window / divisor
    floor: float = 3e-3  # of the mel magnitude under the logarithm
    scale: MelScale = "slaney"
    high: float | None = 12_000.0  # Hz; null: half the sample rate
    unit_area: bool = False  # filters of area 1 instead of height 1
    linear: float = 0.0  # weight of the distance without logarithm, beside 1 for the one with
    pad_mode: PadMode = "constant"
    repulsion: float = 1.0  # of two draws, see `energy_distance`; less prefers a steady level

    def __post_init__(self) -> None:
        if len(self.windows) != len(self.n_mels):
            raise ConfigError(
                f"mel has {len(self.windows)} windows but {len(self.n_mels)} n_mels; give one each"
            )
        if self.floor <= 0:
            raise ConfigError(f"mel floor is {self.floor}; the logarithm needs one above 0")
        check_windows(self.windows, self.hop_divisor)


# Vocos (arXiv:2306.00814), and with it the SimVQ audio recipe, at weight 45.
VOCOS_MEL = MultiResolutionMelConfig(
    windows=(1024,), n_mels=(100,), floor=1e-7, scale="htk", pad_mode="reflect"
)
# DAC (arXiv:2306.06546) takes log10 and adds up the seven: its weight 15 is 15 * 7 / ln(10) here.
DAC_MEL = MultiResolutionMelConfig(
    windows=(32, 64, 128, 256, 512, 1024, 2048),
    n_mels=(5, 10, 20, 40, 80, 160, 320),
    floor=1e-5,
    high=None,
    unit_area=True,
    pad_mode="reflect",
)


class MultiResolutionMel(nn.Module):
    """Mean over resolutions of the L1 distance of ln(max(mel, floor))."""

    def __init__(self, config: MultiResolutionMelConfig, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        for index, (n_fft, n_mels) in enumerate(zip(config.windows, config.n_mels, strict=True)):
            self.register_buffer(f"window_{index}", make_window("hann", n_fft), persistent=False)
            filters = mel_filters(
                sample_rate, n_fft, n_mels, config.scale, config.high, config.unit_area
            )
            self.register_buffer(f"filters_{index}", filters, persistent=False)

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar distance of waveforms (batch, 1, time); `fake` may have several draws of each."""
        distances = []
        for index in range(len(self.config.windows)):
            with torch.no_grad():
                target = self._mel(real, index)
            distances.append(self._distance(target, self._mel(fake, index)))
        return torch.stack(distances).mean()

    def _distance(self, real: Tensor, fake: Tensor) -> Tensor:
        floor = self.config.floor
        repulsion = self.config.repulsion
        log_fake, log_real = (values.clamp_min(floor).log() for values in (fake, real))
        distance = energy_distance(log_fake, log_real, repulsion)
        if self.config.linear:
            distance = distance + self.config.linear * energy_distance(fake, real, repulsion)
        return distance

    def _mel(self, waveform: Tensor, index: int) -> Tensor:
        window, filters = getattr(self, f"window_{index}"), getattr(self, f"filters_{index}")
        hop_length = window.shape[0] // self.config.hop_divisor
        return mel_spectrogram(
            waveform.squeeze(1), window, hop_length, filters, self.config.pad_mode
        )


@dataclass(frozen=True)
class MultiResolutionStftConfig:
    """Weights of three distances of spectra; those of weight 0 are not computed."""

    windows: tuple[int, ...] = (1024, 512)
    hop_divisor: int = 4  # hop = window / divisor
    complex: float = 1.0  # L1 of real and imaginary parts, magnitudes compressed by the exponent
    exponent: float = 0.5
    log_magnitude: float = 0.0  # L1 of ln|X|
    convergence: float = 0.0  # norm of the difference of magnitudes over that of the real ones
    floor: float = 1e-2  # magnitudes well below it hardly count
    high: float | None = None  # Hz, above which bins are left out; null: half the sample rate

    def __post_init__(self) -> None:
        if self.floor <= 0:
            raise ConfigError(f"STFT floor is {self.floor}; give one above 0")
        if self.high is not None and self.high <= 0:
            raise ConfigError(f"STFT high is {self.high} Hz; give one above 0")
        check_windows(self.windows, self.hop_divisor)


class MultiResolutionStft(nn.Module):
    """Mean over resolutions of distances of spectra (arXiv:1910.11480, and with phases)."""

    def __init__(self, config: MultiResolutionStftConfig, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        self.share = 1.0 if config.high is None else min(1.0, 2 * config.high / sample_rate)
        for index, n_fft in enumerate(config.windows):
            self.register_buffer(f"window_{index}", make_window("hann", n_fft), persistent=False)

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar distance of waveforms (batch, 1, time); `fake` may have several draws of each."""
        distances = []
        for index in range(len(self.config.windows)):
            window = getattr(self, f"window_{index}")
            hop_length = window.shape[0] // self.config.hop_divisor
            bins = 1 + int(self.share * (window.shape[0] // 2))
            spectra = [stft(x.squeeze(1), window, hop_length)[..., :bins] for x in (real, fake)]
            distances.append(self._distance(*spectra))
        return torch.stack(distances).mean()

    def _distance(self, real: Tensor, fake: Tensor) -> Tensor:
        config = self.config
        distance = fake.real.new_zeros(())
        if config.complex:
            with torch.no_grad():
                target = compressed(real, config.exponent, config.floor)
            output = compressed(fake, config.exponent, config.floor)
            parts = energy_distance(torch.view_as_real(output), torch.view_as_real(target))
            distance = distance + config.complex * parts
        if config.log_magnitude or config.convergence:
            distance = distance + self._magnitude_distance(magnitude(real).detach(), fake)
        return distance

    def _magnitude_distance(self, real: Tensor, fake_spectrum: Tensor) -> Tensor:
        floor, fake = self.config.floor, magnitude(fake_spectrum)
        logs = [(values.square() + floor**2).log() / 2 for values in (real, fake)]
        log_distance = energy_distance(logs[1], logs[0])
        distance = self.config.log_magnitude * log_distance
        if self.config.convergence:
            scale = (real.square() + floor**2).sum().sqrt()
            convergence = torch.linalg.vector_norm(real - fake) / scale
            distance = distance + self.config.convergence * convergence
        return distance


def waveform_l1(real: Tensor, fake: Tensor) -> Tensor:
    """Mean absolute difference of samples."""
    return energy_distance(fake, real)
