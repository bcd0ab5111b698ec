"""One picture of what a codec does: the original, the decoded speech and the codes between."""

from pathlib import Path

import numpy as np

from audiocodec.extras import extra
from audiocodec.files import atomic_path

_WINDOW, _HOP = 1024, 256
_RANGE_DB = 80


def draw(
    path: Path,
    original: np.ndarray,
    decoded: np.ndarray,
    codes: np.ndarray,
    sample_rate: int,
    caption: str,
) -> None:
    """Write a PNG.

    Args:
        original, decoded: (time,) of equal length.
        codes: (num_quantizers, frames).
        caption: what the codes are, e.g. model and bitrate.
    """
    with extra("web"):
        import matplotlib

        matplotlib.use("Agg")
        from matplotlib import pyplot

    duration = len(original) / sample_rate
    figure, axes = pyplot.subplots(3, 1, figsize=(10, 9), sharex=True, layout="constrained")
    levels = [_level_db(waveform, sample_rate) for waveform in (original, decoded)]
    top = max(level.max() for level in levels)
    for axis, level, title in zip(axes, levels, ("original", "decoded"), strict=False):
        image = axis.imshow(
            level,
            origin="lower",
            aspect="auto",
            extent=(0, duration, 0, sample_rate / 2000),
            vmin=top - _RANGE_DB,
            vmax=top,
            cmap="magma",
        )
        axis.set(title=title, ylabel="frequency (kHz)")
        figure.colorbar(image, ax=axis, label="dB", pad=0.01)
    image = axes[2].imshow(
        codes,
        aspect="auto",
        interpolation="nearest",
        extent=(0, duration, len(codes) - 0.5, -0.5),
        cmap="viridis",
    )
    axes[2].set(title=caption, ylabel="quantizer", xlabel="time (s)")
    axes[2].set_yticks(range(len(codes)))
    figure.colorbar(image, ax=axes[2], label="code", pad=0.01)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)
    pyplot.close(figure)


def _level_db(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """(frequencies, frames) magnitude of the short-time spectrum in dB."""
    with extra("eval"):
        from scipy.signal import ShortTimeFFT
        from scipy.signal.windows import hann

    transform = ShortTimeFFT(hann(_WINDOW, sym=False), _HOP, sample_rate)
    padded = np.pad(waveform, (0, max(0, _WINDOW - len(waveform))))
    return 20 * np.log10(np.maximum(np.abs(transform.stft(padded)), 1e-6))
