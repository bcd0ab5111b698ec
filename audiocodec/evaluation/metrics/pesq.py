"""PESQ (ITU-T P.862, wideband P.862.2) by the pesq package."""

import numpy as np

from audiocodec.evaluation.signals import MIN_SPEECH, MetricFailure, checked_pair
from audiocodec.extras import extra


def pesq_wb(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Wideband PESQ MOS-LQO, 1.04 to 4.64, at 16 kHz."""
    return _pesq(reference, degraded, sample_rate, 16_000, "wb")


def pesq_nb(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Narrowband PESQ MOS-LQO, 1.02 to 4.55, at 8 kHz."""
    return _pesq(reference, degraded, sample_rate, 8_000, "nb")


def _pesq(
    reference: np.ndarray, degraded: np.ndarray, sample_rate: int, rate: int, mode: str
) -> float:
    with extra("eval"):
        import pesq  # a compiled module; only scoring needs it

    pair = checked_pair(reference, degraded, sample_rate, MIN_SPEECH).at(rate)
    try:
        score = float(pesq.pesq(rate, pair.reference, pair.degraded, mode))
    except pesq.NoUtterancesError:
        raise MetricFailure("PESQ finds no utterance") from None
    except pesq.PesqError as error:
        raise MetricFailure(f"PESQ: {error}") from None
    if not np.isfinite(score):
        raise MetricFailure("PESQ is not finite")
    return score
