"""STOI (Taal et al. 2011) and ESTOI (Jensen and Taal 2016) by pystoi, at the native rate.

pystoi resamples both signals to 10 kHz itself.
"""

import warnings

import numpy as np

from audiocodec.evaluation.signals import MIN_SPEECH, MetricFailure, checked_pair
from audiocodec.extras import extra

_TOO_SHORT = 1e-5  # what pystoi returns, with a warning, for fewer than 30 frames of speech


def stoi(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Short-time objective intelligibility, about 0 to 1."""
    return _stoi(reference, degraded, sample_rate, extended=False)


def estoi(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Extended STOI, about 0 to 1."""
    return _stoi(reference, degraded, sample_rate, extended=True)


def _stoi(
    reference: np.ndarray, degraded: np.ndarray, sample_rate: int, *, extended: bool
) -> float:
    with extra("eval"):
        import pystoi  # only scoring needs it

    pair = checked_pair(reference, degraded, sample_rate, MIN_SPEECH)
    state = np.random.get_state()
    np.random.seed(0)  # ESTOI adds noise from the global generator
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            score = float(pystoi.stoi(pair.reference, pair.degraded, sample_rate, extended))
    finally:
        np.random.set_state(state)
    if not np.isfinite(score) or score == _TOO_SHORT:
        raise MetricFailure("STOI finds too little speech")
    return score
