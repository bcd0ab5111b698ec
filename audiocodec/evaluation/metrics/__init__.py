"""The table of metrics: one row each, a function (reference, degraded, sample_rate) -> float.

Signals are (time,) arrays of one rate; metrics raise `MetricFailure` where they are not defined.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from audiocodec.evaluation.metrics.alignment import clipping_share, delay_ms, gain_db
from audiocodec.evaluation.metrics.distortion import si_sdr, snr
from audiocodec.evaluation.metrics.intelligibility import estoi, stoi
from audiocodec.evaluation.metrics.pesq import pesq_nb, pesq_wb
from audiocodec.evaluation.metrics.pitch import f0_rmse_cents, voicing_f1
from audiocodec.evaluation.metrics.spectral import (
    log_spectral_distance,
    mel_cepstral_distortion,
    mel_distance,
)
from audiocodec.evaluation.signals import MetricFailure

__all__ = ["DEFAULT", "METRICS", "Metric", "MetricFailure"]


@dataclass(frozen=True)
class Metric:
    """`function(reference, degraded, sample_rate)`; better is +1 (larger), -1 (smaller) or 0."""

    function: Callable[[np.ndarray, np.ndarray, int], float]
    better: int
    unit: str = ""


METRICS: dict[str, Metric] = {
    "pesq_wb": Metric(pesq_wb, +1, "MOS-LQO"),
    "pesq_nb": Metric(pesq_nb, +1, "MOS-LQO"),
    "stoi": Metric(stoi, +1),
    "estoi": Metric(estoi, +1),
    "si_sdr": Metric(si_sdr, +1, "dB"),
    "snr": Metric(snr, +1, "dB"),
    "mel_distance": Metric(mel_distance, -1),
    "lsd": Metric(log_spectral_distance, -1, "dB"),
    "mcd": Metric(mel_cepstral_distortion, -1, "dB"),
    "f0_rmse": Metric(f0_rmse_cents, -1, "cent"),
    "voicing_f1": Metric(voicing_f1, +1),
    "delay": Metric(delay_ms, 0, "ms"),
    "gain": Metric(gain_db, 0, "dB"),
    "clipping": Metric(clipping_share, -1),
}
DEFAULT = ("pesq_wb", "stoi", "estoi", "si_sdr", "mel_distance", "delay", "gain")
