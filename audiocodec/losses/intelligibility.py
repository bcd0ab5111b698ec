"""How envelopes follow those of the original, as STOI measures it (Taal et al. 2011), to train on.

The same bands, segments, normalisation and clipping; frames are taken at the waveform's own rate,
and pauses are not cut out but left out of the mean.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError
from audiocodec.features.stft import make_window, squared_magnitude, stft

_WINDOW, _HOP = 25.6e-3, 12.8e-3  # s, of 256 and 128 samples at 10 kHz
_BANDS, _LOWEST = 15, 150.0  # a third of an octave wide; centre of the first in Hz
_CLIPPED = 1 + 10 ** (15 / 20)  # an envelope counts up to -15 dB of signal to distortion
_PAUSE = 1e-4  # of a row's loudest frame, -40 dB
_TINY = 1e-8


@dataclass(frozen=True)
class EnvelopeCorrelationConfig:
    frames: int = 30  # of a segment, 384 ms

    def __post_init__(self) -> None:
        if self.frames < 2:
            raise ConfigError(f"intelligibility frames is {self.frames}; give 2 or more")


class EnvelopeCorrelation(nn.Module):
    """1 less the mean correlation of band envelopes over segments: about 1 - STOI."""

    window: Tensor
    bands: Tensor

    def __init__(self, config: EnvelopeCorrelationConfig, sample_rate: int) -> None:
        super().__init__()
        self.config, self.hop_length = config, round(_HOP * sample_rate)
        length = 2 * round(_WINDOW * sample_rate / 2)
        n_fft = 1 << (length - 1).bit_length()  # fine enough for the lowest band
        side = (n_fft - length) // 2
        window = F.pad(make_window("hann", length), (side, side))
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("bands", _third_octaves(n_fft, sample_rate), persistent=False)

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        """Scalar distance of waveforms (batch, 1, time); `fake` may have several draws of each.

        Crops of less than a segment are one segment.
        """
        real = real.repeat(len(fake) // len(real), 1, 1)
        with torch.no_grad():
            target = self._segments(self._envelopes(real))
        output = self._segments(self._envelopes(fake))
        gain = _norm(target) / _norm(output)
        output = torch.minimum(output * gain, target * _CLIPPED)
        a, b = (x - x.mean(-1, keepdim=True) for x in (target, output))
        correlation = (a * b).sum(-1) / (_norm(a) * _norm(b)).squeeze(-1)  # batch, bands, segments
        with torch.no_grad():
            energy = target.square().mean(-1).sum(1, keepdim=True)
            heard = (energy > _PAUSE * energy.amax(-1, keepdim=True)).expand_as(correlation)
            heard = heard & (target.square().mean(-1) > 10 * _TINY)  # no band of silence
        return ((1 - correlation) * heard).sum() / heard.sum().clamp_min(1)

    def _envelopes(self, waveform: Tensor) -> Tensor:
        """(batch, bands, frames)."""
        spectrum = stft(waveform.squeeze(1), self.window, self.hop_length)
        power = squared_magnitude(spectrum) @ self.bands
        return (power + _TINY).sqrt().transpose(1, 2)

    def _segments(self, envelopes: Tensor) -> Tensor:
        """(batch, bands, segments, frames), a segment at every frame."""
        return envelopes.unfold(-1, min(self.config.frames, envelopes.shape[-1]), 1)


def _norm(x: Tensor) -> Tensor:
    return (x.square().sum(-1, keepdim=True) + _TINY).sqrt()


def _third_octaves(n_fft: int, sample_rate: int) -> Tensor:
    """Bins of each band (n_fft / 2 + 1, bands), 1 or 0."""
    bins = torch.linspace(0, sample_rate / 2, n_fft // 2 + 1, dtype=torch.float64).unsqueeze(1)
    centres = _LOWEST * 2 ** (torch.arange(_BANDS, dtype=torch.float64) / 3)
    low, high = centres * 2 ** (-1 / 6), centres * 2 ** (1 / 6)
    return ((bins >= low) & (bins < high)).float()
