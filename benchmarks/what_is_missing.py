"""What keeps the shipped model from sounding like the original: its phases, or its levels?

    python benchmarks/what_is_missing.py [FOLDER]

Scores what it decodes of FOLDER (default: the shipped samples) with all quantizers, and the same
after an oracle has put in parts of the original: MDCT coefficients of some frequencies, or the
energies of 9 neighbouring coefficients (340 Hz) in each frame, with the decoded coefficients below
them. Besides, by how many dB bands are too loud or too soft on the whole. JSON. DNSMOS is among the
scores where the package that ships its network is installed.
"""

import json
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.audio import AUDIO_SUFFIXES, read_waveform
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import environment
from audiocodec.evaluation.metrics import select, with_installed
from audiocodec.evaluation.scoring import score_signals
from audiocodec.features.mdct import lapped_basis, mdct_basis
from audiocodec.models.bundle import load_codec
from audiocodec.modules.overlap import overlap_add

METRICS = ("pesq_wb", "stoi", "harmonic_correlation", "dnsmos")
SMOOTHED = 9  # coefficients
EDGES = (0, 600, 1200, 1800, 2400, 3600, 4800, 7500, 11_250)  # Hz, of the bands
Oracle = Callable[[Tensor, Tensor], Tensor]


def main() -> None:
    files = shipped_speech()
    if sys.argv[1:]:
        folder = Path(sys.argv[1])
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
    torch.set_num_threads(1)
    codec = load_codec(runtime="torch")
    metrics, _ = select(METRICS, with_installed({}))
    lapped = Lapped(codec.hop_length, codec.sample_rate)
    scores: dict[str, list[list[float]]] = {}
    levels: list[list[float]] = []
    for path in files:
        original = read_waveform(path, codec.sample_rate)[0]
        decoded = codec.reconstruct(torch.from_numpy(original))
        pair = lapped.spectra(torch.from_numpy(original)), lapped.spectra(decoded)
        levels.append(lapped.excess(*pair))
        for name, oracle in oracles(lapped).items():
            waveform = lapped.waveform(oracle(*pair), len(original)).clamp(-1, 1).numpy()
            row, _ = score_signals(original, waveform, codec.sample_rate, metrics)
            scores.setdefault(name, []).append([row[metric] for metric in metrics])
    means = {name: np.mean(rows, axis=0).round(3).tolist() for name, rows in scores.items()}
    report = {
        "files": len(files),
        "model_hash": codec.weight_hash,
        "scores": {name: dict(zip(metrics, row, strict=True)) for name, row in means.items()},
        "excess_decibels": {
            f"{low} to {high} Hz": round(excess, 1)
            for (low, high), excess in zip(pairwise(EDGES), np.mean(levels, axis=0), strict=True)
        },
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


class Lapped:
    """Spectra (2, frames, hop) of a waveform (time,): MDCT and MDST of frames of two hops."""

    def __init__(self, hop_length: int, sample_rate: int) -> None:
        self.hop_length, self.rate = hop_length, sample_rate
        self.bases = torch.stack([mdct_basis(hop_length), lapped_basis(hop_length, torch.sin)])

    def bin(self, frequency: float) -> int:
        return round(frequency * 2 * self.hop_length / self.rate)

    def spectra(self, waveform: Tensor) -> Tensor:
        hop = self.hop_length
        padded = F.pad(waveform, (hop, -len(waveform) % hop + hop))
        return padded.unfold(0, 2 * hop, hop) @ self.bases.transpose(1, 2)

    def excess(self, real: Tensor, fake: Tensor) -> list[float]:
        """dB by which the mean power of the decoded is above that of the original, by bands."""
        power = [spectra.square().sum((0, 1)) for spectra in (real, fake)]
        edges = [self.bin(edge) for edge in EDGES]
        return [
            float(10 * (power[1][low:high].sum() / power[0][low:high].sum()).log10())
            for low, high in pairwise(edges)
        ]

    def waveform(self, mdct: Tensor, num_samples: int) -> Tensor:
        segments = (mdct @ self.bases[0]).unflatten(1, (2, self.hop_length)).unsqueeze(0)
        blocks = overlap_add(nn.Identity(), segments, None).flatten()
        return blocks[self.hop_length : self.hop_length + num_samples]


def oracles(lapped: Lapped) -> dict[str, Oracle]:
    """From the spectra of the original and of what was decoded, the MDCT of what is scored."""

    def true(low: float, high: float) -> Oracle:
        first, last = lapped.bin(low), lapped.bin(high)

        def put(real: Tensor, fake: Tensor) -> Tensor:
            mdct = fake[0].clone()
            mdct[:, first:last] = real[0, :, first:last]
            return mdct

        return put

    def levels(low: float) -> Oracle:
        first = lapped.bin(low)

        def put(real: Tensor, fake: Tensor) -> Tensor:
            gain = (smooth(real) / (smooth(fake) + 1e-12)).sqrt()
            gain[:, :first] = 1
            return fake[0] * gain

        return put

    return {
        "as decoded": lambda real, fake: fake[0],
        "true below 1.2 kHz": true(0, 1200),
        "true below 1.8 kHz": true(0, 1800),
        "true above 1.8 kHz": true(1800, lapped.rate / 2),
        "true levels above 1.8 kHz": levels(1800),
        "true levels": levels(0),
        "all true": true(0, lapped.rate / 2),
    }


def smooth(spectra: Tensor) -> Tensor:
    """(frames, hop): mean power of neighbouring coefficients."""
    power = spectra.square().mean(0).unsqueeze(1)
    return F.avg_pool1d(power, SMOOTHED, 1, SMOOTHED // 2, count_include_pad=False).squeeze(1)


if __name__ == "__main__":
    main()
