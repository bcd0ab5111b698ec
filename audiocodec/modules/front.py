"""The first layer of an encoder that looks at spectra: fixed transforms and one learned mixture."""

import torch
from torch import Tensor, nn

from audiocodec.features.mdct import lapped_basis, rounded_analysis
from audiocodec.features.mel import mel_filters
from audiocodec.modules.streaming import StreamState, with_past

_SCALE_RATE = 24_000  # Hz, at which the bands are mel bands; at other rates they scale along
_MIN_ENERGY = 1e-7  # under the logarithm: 10 dB below the rounding noise of 16 bits in a band


def compress(x: Tensor, strength: float) -> Tensor:
    """asinh(strength x) / asinh(strength): spectra of speech span 80 dB, layers should not."""
    full = torch.tensor(strength, dtype=torch.float64).asinh().item()
    return torch.asinh(strength * x) / full


class SpectralFront(nn.Module):
    """Waveform (batch, time, 1) to (batch, time / hop, channels): two views of frames of two hops.

    The MDCT, compressed, has what the waveform needs; the logarithms of the energies in mel bands
    have its envelope. An MDCT alone does not show how strong a band is, since its coefficients
    swing with the phase, and layers after it spend their training on finding that out
    (docs/ablation_first.md measures it).
    """

    basis: Tensor
    filters: Tensor

    def __init__(self, hop_length: int, channels: int, mel_bands: int, compression: float) -> None:
        super().__init__()
        self.hop_length, self.compression = hop_length, compression
        basis = torch.cat([lapped_basis(hop_length, wave) for wave in (torch.cos, torch.sin)])
        self.register_buffer("basis", basis.t().contiguous(), persistent=False)
        edges = mel_filters(_SCALE_RATE, 2 * hop_length, mel_bands)
        filters = (edges[:-1] + edges[1:]) / 2  # coefficients lie half way between a DFT's bins
        means = filters / filters.sum(0).clamp_min(1e-6)
        self.register_buffer("filters", means, persistent=False)
        self.mix = nn.Linear(hop_length + mel_bands, channels)

    def forward(self, waveform: Tensor, state: StreamState | None = None) -> Tensor:
        padded = with_past(self, waveform, self.hop_length, state).squeeze(2)
        with torch.autocast(waveform.device.type, enabled=False):
            analysis = self.basis
            if analysis.dtype == torch.float64:  # encoding, for which graphs fold the same waves
                analysis = rounded_analysis(self.hop_length, padded.device)
            frames = padded.to(analysis.dtype).unfold(1, 2 * self.hop_length, self.hop_length)
            mdct, mdst = (frames @ analysis).chunk(2, dim=-1)
            energies = (mdct.square() + mdst.square()) @ self.filters
            levels = (energies + _MIN_ENERGY).log() / 5 + 1.5  # -1.7 ... 2 from silence to shouting
            views = torch.cat([2 * compress(mdct, self.compression), levels], dim=-1)
        mixed: Tensor = self.mix(views)
        return mixed
