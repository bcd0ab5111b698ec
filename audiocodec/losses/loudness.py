"""A distance of loudness over time and frequency, in the manner of ITU-T P.862 (PESQ).

What a logarithm of energies cannot know: how loud a difference is, that the ear has a threshold,
that small differences beside loud sound are masked, and that added sound disturbs more than
missing sound. What is the same in all frames of a row, as of an equaliser, hardly matters, there
as here; another term has to see to it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.features.stft import make_window, squared_magnitude, stft

_SPEECH_SPL = 79.0  # dB, the level of speech at the ear in P.862
_QUIETEST = 1e-4  # mean square of a row, -40 dB: quieter ones are not raised any further
_EXPONENT = 0.23  # of loudness over intensity (Zwicker and Fastl, Psychoacoustics, eq. 8.7)
_SPECIFIC = 0.08  # sone/Bark, the constant of the same equation
_MASKED = 0.25  # share of the softer of two loudnesses below which a difference is not heard
_ADDED = (50.0, 1.2, 3.0, 12.0)  # of P.862's asymmetry: offset in dB SPL, exponent, least, most
_FILTERED = (30.0, 100.0)  # dB SPL below which a mean spectrum does not count, most gain
_TINY = 1e-6  # under a root, whose slope would be infinite at 0


@dataclass(frozen=True)
class LoudnessDistanceConfig:
    milliseconds: float = 32.0  # of the window; the hop is half of it
    bands: int = 49  # of equal width in Bark
    high: float = 8_000.0  # Hz, where they end
    added: float = 0.3  # weight of what was added, beside 1 for all that differs

    def __post_init__(self) -> None:
        if not (self.milliseconds > 0 and self.bands > 0 and self.high > 0):
            raise ConfigError("loudness milliseconds, bands and high must be above 0")
        if self.added < 0:
            raise ConfigError(f"loudness added is {self.added}; give 0 or more")


class LoudnessDistance(nn.Module):
    """Root mean square over time of the loudness (sone) by which frames differ audibly."""

    window: Tensor
    bands: Tensor
    quiet: Tensor

    def __init__(self, config: LoudnessDistanceConfig, sample_rate: int) -> None:
        super().__init__()
        self.config = config
        n_fft = 2 * round(config.milliseconds * sample_rate / 2000)
        top = min(config.high, sample_rate / 2)
        window = make_window("hann", n_fft, unit_energy=True)
        bands, centres = _bark_bands(n_fft, sample_rate, config.bands, top)
        self.width = _bark(torch.tensor(top, dtype=torch.float64)).item() / config.bands
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("bands", bands, persistent=False)
        self.register_buffer("quiet", _threshold(centres), persistent=False)

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar distance of waveforms (batch, 1, time); `fake` may have several draws of each."""
        real = real.repeat(len(fake) // len(real), 1, 1)
        with torch.no_grad():
            level = real.float().square().mean((1, 2)).clamp_min(_QUIETEST)
            target = self._intensity(real, level)
        output = self._intensity(fake, level)
        target = target * _filtering(target, output)
        loud_real, loud_fake = self._loudness(target), self._loudness(output)
        difference = (loud_fake - loud_real).abs()
        audible = (difference - _MASKED * torch.minimum(loud_real, loud_fake)).clamp_min(0)
        frames = (audible.square().mean(-1) + _TINY).sqrt() * (self.width * self.config.bands)
        if self.config.added:
            weight = _asymmetry(target, output).detach()
            frames = frames + self.config.added * self.width * (audible * weight).sum(-1)
        return (frames.square().mean(-1) + _TINY).sqrt().mean()

    def _intensity(self, waveform: Tensor, level: Tensor) -> Tensor:
        """(batch, frames, bands) in multiples of that of 0 dB SPL, for speech of `level`."""
        spectrum = stft(waveform.squeeze(1), self.window, len(self.window) // 2)
        power = squared_magnitude(spectrum) @ self.bands
        return power * (10 ** (_SPEECH_SPL / 10) / level).view(-1, 1, 1)

    def _loudness(self, intensity: Tensor) -> Tensor:
        """Specific loudness in sone/Bark."""
        excess = (0.5 + 0.5 * intensity / self.quiet) ** _EXPONENT - 0.5**_EXPONENT
        loudness: Tensor = _SPECIFIC * self.quiet**_EXPONENT * excess
        return loudness


def _filtering(real: Tensor, fake: Tensor) -> Tensor:
    """(batch, 1, bands): gains that the real one needs to have the mean spectrum of the fake."""
    floor, most = _FILTERED
    means = [x.mean(1, keepdim=True) + 10 ** (floor / 10) for x in (fake, real)]
    return (means[0] / means[1]).clamp(1 / most, most)


def _asymmetry(real: Tensor, fake: Tensor) -> Tensor:
    """How much more an added component disturbs: 0 where little was added."""
    offset, exponent, least, most = _ADDED
    quiet = 10 ** (offset / 10)
    ratio = ((fake + quiet) / (real + quiet)) ** exponent
    return torch.where(ratio < least, 0.0, ratio.clamp(max=most))


def _bark(frequency: Tensor) -> Tensor:
    """Hz to critical-band rate, 0 at 0 Hz (Traunmueller 1990, shifted to start at 0)."""
    return 26.81 * frequency / (1960 + frequency)


def _bark_bands(n_fft: int, sample_rate: int, count: int, high: float) -> tuple[Tensor, Tensor]:
    """Triangles (n_fft / 2 + 1, count) that add up to the power spectrum below `high`, in mean
    squares of the waveform; and their centres in Hz."""
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64)
    width = _bark(torch.tensor(high, dtype=torch.float64)) / count
    place = _bark(bins) / width - 0.5  # band n has its centre at n
    distance = (place.clamp(0, count - 1).unsqueeze(1) - torch.arange(count)).abs()
    share = (1 - distance).clamp_min(0) * (bins <= high).unsqueeze(1)
    rate = (torch.arange(count, dtype=torch.float64) + 0.5) * width
    centres = 1960 * rate / (26.81 - rate)
    return (share * (2 / n_fft)).float(), centres


def _threshold(frequency: Tensor) -> Tensor:
    """Intensity of the quietest tone that is heard, at frequencies in Hz (Terhardt 1979)."""
    khz = frequency.clamp_min(20) / 1000
    decibels = 3.64 * khz**-0.8 - 6.5 * (-0.6 * (khz - 3.3) ** 2).exp() + 1e-3 * khz**4
    return (10 ** (decibels / 10)).float()
