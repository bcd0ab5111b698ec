"""One picture of what a codec does to clips: originals, decoded speech at each rate, codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.evaluation import spectrogram
from audiocodec.extras import extra
from audiocodec.files import atomic_path

WINDOW, HOP = 0.043, 0.005  # seconds: long enough to part the harmonics of a low voice
HIGHEST = 6_000  # Hz: where harmonics are seen and heard
BRIGHTEST = 0.997  # quantile of the original's magnitudes that has the brightest colour


@dataclass(frozen=True)
class Drawn:
    """A clip: `versions` are titles and signals (time,), the original first; codes (N, frames)."""

    name: str
    sample_rate: int
    versions: Mapping[str, np.ndarray]
    codes: np.ndarray


def draw(path: Path, clips: Sequence[Drawn], caption: str) -> None:
    """Write a PNG: a column each clip, a row each version, and a last one of codes.

    Colours are linear in the magnitude of the spectrum (with pre-emphasis), which shows whether
    harmonics are there; in dB the gaps between them are as bright as they are.
    """
    with extra("web"):
        from matplotlib.figure import Figure

    rows = 1 + max(len(clip.versions) for clip in clips)
    figure = Figure(figsize=(6 * len(clips), 2.1 * rows), layout="constrained")
    for column, clip in zip(
        figure.subplots(rows, len(clips), squeeze=False, sharex="col").T, clips, strict=True
    ):
        _draw_versions(column[:-1], clip)
        _draw_codes(column[-1], clip)
    figure.suptitle(f"{caption}; colours are linear in magnitude, 0 to {HIGHEST / 1000:g} kHz")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80, format="png")


def _draw_versions(axes: Sequence[Any], clip: Drawn) -> None:
    pictures = [magnitudes(signal, clip.sample_rate) for signal in clip.versions.values()]
    brightest = max(float(np.quantile(pictures[0], BRIGHTEST)), 1e-9)
    highest = min(HIGHEST, clip.sample_rate / 2) / 1000
    for axis, title, picture in zip(axes, clip.versions, pictures, strict=True):
        extent = (0, _seconds(clip), 0, highest)
        levels = {"vmin": 0, "vmax": brightest, "cmap": "magma"}
        axis.imshow(picture, origin="lower", aspect="auto", extent=extent, **levels)
        axis.set_title(f"{clip.name}: {title}", fontsize=10)
        axis.set_ylabel("kHz")


def _draw_codes(axis: Any, clip: Drawn) -> None:
    stages = len(clip.codes)
    extent = (0, _seconds(clip), stages - 0.5, -0.5)
    axis.imshow(clip.codes, aspect="auto", interpolation="nearest", extent=extent)
    axis.set(ylabel="quantizer", xlabel="time (s)", yticks=range(stages))
    axis.set_title(f"{clip.name}: codes", fontsize=10)


def _seconds(clip: Drawn) -> float:
    return len(next(iter(clip.versions.values()))) / clip.sample_rate


def magnitudes(signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """(frequencies up to 6 kHz, frames) of the short-time spectrum, rising by 6 dB an octave."""
    size, hop = max(2, round(WINDOW * sample_rate)), max(1, round(HOP * sample_rate))
    emphasised = np.diff(signal, prepend=0)
    centred = np.pad(emphasised, (size // 2, size - size // 2 - 1))
    bins = max(1, min(size // 2, round(HIGHEST * size / sample_rate)))
    return spectrogram.magnitudes(centred, size, hop)[:bins]
