"""A distance of the fine structure of spectra: the harmonics of a voice, without their envelope."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError
from audiocodec.features.stft import check_windows, make_window, squared_magnitude, stft
from audiocodec.losses.distance import squared_energy_distance


@dataclass(frozen=True)
class HarmonicDistanceConfig:
    windows: tuple[int, ...] = (2048, 1024)  # long enough to tell harmonics apart
    hop_divisor: int = 4  # hop = window / divisor
    low: float = 1_000.0  # Hz, where the bins begin
    high: float = 6_000.0  # Hz, where they end
    smooth: float = 400.0  # Hz; what is smoother than this is envelope
    floor: float = 1e-2  # magnitudes well below it hardly count

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high:
            raise ConfigError(
                f"harmonic low is {self.low} Hz and high {self.high} Hz; give 0 <= low < high"
            )
        if self.smooth <= 0 or self.floor <= 0:
            raise ConfigError("harmonic smooth and floor must be above 0")
        check_windows(self.windows, self.hop_divisor)


class HarmonicDistance(nn.Module):
    """Mean over resolutions of the squared distance of ln|X| less its local mean over frequency.

    What mel bands cannot see at high frequencies. Of two draws, noise neither gains nor costs; what
    of the fine structure is predicted gains (see `squared_energy_distance`).
    """

    def __init__(self, config: HarmonicDistanceConfig, sample_rate: int) -> None:
        super().__init__()
        self.config, self.sample_rate = config, sample_rate
        for index, n_fft in enumerate(config.windows):
            self.register_buffer(f"window_{index}", make_window("hann", n_fft), persistent=False)

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar distance of waveforms (batch, 1, time); `fake` may have two draws of each."""
        distances = []
        for index in range(len(self.config.windows)):
            window = getattr(self, f"window_{index}")
            with torch.no_grad():
                target = self._structure(real, window)
            distances.append(squared_energy_distance(self._structure(fake, window), target))
        return torch.stack(distances).mean()

    def _structure(self, waveform: Tensor, window: Tensor) -> Tensor:
        config, n_fft = self.config, window.shape[0]
        spectrum = stft(waveform.squeeze(1), window, n_fft // config.hop_divisor)
        bin_width = self.sample_rate / n_fft
        first, last = (round(frequency / bin_width) for frequency in (config.low, config.high))
        spectrum = spectrum[..., first : last + 1]
        power = squared_magnitude(spectrum)
        logs = (power + config.floor**2).log() / 2
        half = max(1, round(config.smooth / bin_width / 2))
        envelope = F.avg_pool1d(logs, 2 * half + 1, 1, half, count_include_pad=False)
        return logs - envelope
