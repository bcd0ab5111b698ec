"""Ratios of signal to distortion in the waveform."""

import numpy as np

from audiocodec.evaluation.signals import checked_pair


def si_sdr(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019); larger is better.

    Both signals are made zero-mean. At most 100 dB, which identical signals get.
    """
    pair = checked_pair(reference, degraded, sample_rate)
    target = pair.reference.astype(np.float64) - pair.reference.mean(dtype=np.float64)
    estimate = pair.degraded.astype(np.float64) - pair.degraded.mean(dtype=np.float64)
    projection = (estimate @ target) / (target @ target) * target
    distortion = estimate - projection
    floor = 1e-10 * (projection @ projection) + np.finfo(np.float64).tiny
    return float(
        10 * np.log10((projection @ projection + floor) / (distortion @ distortion + floor))
    )
