"""Ratios of signal to distortion in the waveform, in dB; larger is better."""

import numpy as np

from audiocodec.evaluation.signals import checked_pair

CEILING_DB = 100.0  # what identical signals get, and minus that orthogonal ones: not infinite


def si_sdr(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Scale-invariant signal-to-distortion ratio (Le Roux et al. 2019) of zero-mean signals."""
    pair = checked_pair(reference, degraded, sample_rate)
    target, estimate = _centred(pair.reference), _centred(pair.degraded)
    projection = (estimate @ target) / (target @ target) * target
    return _ratio_db(projection, estimate - projection)


def snr(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Signal-to-noise ratio; the noise is degraded - reference, so gain and delay count."""
    pair = checked_pair(reference, degraded, sample_rate)
    target = pair.reference.astype(np.float64)
    return _ratio_db(target, pair.degraded - target)


def _centred(signal: np.ndarray) -> np.ndarray:
    return signal - signal.mean(dtype=np.float64)


def _ratio_db(signal: np.ndarray, distortion: np.ndarray) -> float:
    power, error = float(signal @ signal), float(distortion @ distortion)
    tiny = np.finfo(np.float64).tiny
    ratio = 10 * (np.log10(max(power, tiny)) - np.log10(max(error, tiny)))
    return float(np.clip(ratio, -CEILING_DB, CEILING_DB))
