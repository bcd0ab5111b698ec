"""The table of metrics: one row each, a function (reference, degraded, sample_rate) -> float.

Signals are (time,) arrays of one rate; metrics raise `MetricFailure` where they are not defined.
"""

from collections.abc import Callable

import numpy as np

from audiocodec.evaluation.metrics.distortion import si_sdr
from audiocodec.evaluation.metrics.intelligibility import estoi, stoi
from audiocodec.evaluation.metrics.pesq import pesq_nb, pesq_wb
from audiocodec.evaluation.signals import MetricFailure

__all__ = ["DEFAULT", "METRICS", "MetricFailure", "estoi", "pesq_nb", "pesq_wb", "si_sdr", "stoi"]

Metric = Callable[[np.ndarray, np.ndarray, int], float]

METRICS: dict[str, Metric] = {
    "pesq_wb": pesq_wb,
    "pesq_nb": pesq_nb,
    "stoi": stoi,
    "estoi": estoi,
    "si_sdr": si_sdr,
}
DEFAULT = ("pesq_wb", "stoi", "estoi", "si_sdr")
