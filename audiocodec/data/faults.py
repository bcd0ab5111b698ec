"""When a recording counts as silent or clipped: one rule for validation and for training."""

import numpy as np

SILENT_PEAK = 1e-3  # -60 dBFS
FULL_SCALE = 0.999
CLIPPED_SHARE = 1e-3  # of samples at full scale; a codec would learn the flat tops


def is_silent(waveform: np.ndarray) -> bool:
    """Whether no sample is loud enough to count."""
    return bool(np.abs(waveform).max(initial=0.0) < SILENT_PEAK)


def clipped_share(waveform: np.ndarray) -> float:
    """The share of samples at full scale, 0 where it is too small to count."""
    share = float((np.abs(waveform) >= FULL_SCALE).mean()) if waveform.size else 0.0
    return share if share > CLIPPED_SHARE else 0.0
