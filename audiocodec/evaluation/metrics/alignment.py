"""How a system changes time and level: PESQ forgives both, STOI and SI-SDR do not forgive delay."""

import numpy as np

from audiocodec.evaluation.signals import checked_pair
from audiocodec.extras import extra

MAX_DELAY = 0.5  # seconds
FULL_SCALE = 1 - 2**-15


def delay_ms(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Delay of the degraded signal in ms: the peak of the cross-correlation within 0.5 s.

    Of its magnitude, so that inverted polarity does not matter.
    """
    with extra("eval"):
        from scipy.signal import correlate, correlation_lags

    pair = checked_pair(reference, degraded, sample_rate)
    correlation = correlate(pair.degraded, pair.reference, method="fft")
    lags = correlation_lags(len(pair.degraded), len(pair.reference))
    near = np.abs(lags) <= MAX_DELAY * sample_rate
    best = int(lags[near][np.abs(correlation[near]).argmax()])
    return 1000 * best / sample_rate


def gain_db(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Level of the degraded signal above the reference's, root mean square, in dB."""
    pair = checked_pair(reference, degraded, sample_rate)
    powers = [np.square(s, dtype=np.float64).mean() for s in (pair.degraded, pair.reference)]
    return float(10 * np.log10(powers[0] / powers[1]))


def clipping_share(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Share of the degraded signal's samples at or beyond full scale."""
    pair = checked_pair(reference, degraded, sample_rate)
    return float((np.abs(pair.degraded) >= FULL_SCALE).mean())
