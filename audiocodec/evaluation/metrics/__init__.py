"""The tables of metrics: one row each, a function (reference, degraded, sample_rate) -> float.

Signals are (time,) arrays of one rate; metrics raise `MetricFailure` where they are not defined.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from audiocodec.errors import ConfigError
from audiocodec.evaluation.metrics.alignment import clipping_share, delay_ms, gain_db
from audiocodec.evaluation.metrics.distortion import si_sdr, snr
from audiocodec.evaluation.metrics.fine_structure import harmonic_correlation, tonal_lines
from audiocodec.evaluation.metrics.intelligibility import estoi, stoi
from audiocodec.evaluation.metrics.learned import (
    Dnsmos,
    SpeakerSimilarity,
    Utmos,
    WordErrorRate,
    installed_dnsmos,
)
from audiocodec.evaluation.metrics.pesq import pesq_nb, pesq_wb
from audiocodec.evaluation.metrics.pitch import PYIN, f0_rmse_cents, voicing_f1
from audiocodec.evaluation.metrics.spectral import (
    log_spectral_distance,
    mel_cepstral_distortion,
    mel_distance,
)
from audiocodec.evaluation.signals import MetricFailure

__all__ = [
    "ABOUT",
    "DEFAULT",
    "LOCAL",
    "METRICS",
    "LocalMetric",
    "Metric",
    "MetricFailure",
    "files_of",
    "select",
    "with_installed",
]

Function = Callable[[np.ndarray, np.ndarray, int], float]


@dataclass(frozen=True)
class Metric:
    """`function(reference, degraded, sample_rate)`; better is +1 (larger), -1 (smaller) or 0."""

    function: Function
    better: int
    unit: str = ""


@dataclass(frozen=True)
class LocalMetric:
    """A metric that `build(file)` makes of a local file, given as `file`=PATH."""

    file: str
    build: Callable[[str], Function]
    better: int
    unit: str = ""


METRICS: dict[str, Metric] = {
    "pesq_wb": Metric(pesq_wb, +1, "MOS-LQO"),
    "pesq_nb": Metric(pesq_nb, +1, "MOS-LQO"),
    "stoi": Metric(stoi, +1),
    "estoi": Metric(estoi, +1),
    "si_sdr": Metric(si_sdr, +1, "dB"),
    "snr": Metric(snr, +1, "dB"),
    "harmonic_correlation": Metric(harmonic_correlation, +1),
    "tonal_lines": Metric(tonal_lines, -1, "dB"),
    "mel_distance": Metric(mel_distance, -1),
    "lsd": Metric(log_spectral_distance, -1, "dB"),
    "mcd": Metric(mel_cepstral_distortion, -1, "dB"),
    "f0_rmse": Metric(f0_rmse_cents, -1, "cent"),
    "voicing_f1": Metric(voicing_f1, +1),
    "f0_rmse_pyin": Metric(partial(f0_rmse_cents, library=PYIN), -1, "cent"),
    "voicing_f1_pyin": Metric(partial(voicing_f1, library=PYIN), +1),
    "delay": Metric(delay_ms, 0, "ms"),
    "gain": Metric(gain_db, 0, "dB"),
    "clipping": Metric(clipping_share, -1),
}
LOCAL: dict[str, LocalMetric] = {
    "dnsmos": LocalMetric("dnsmos", Dnsmos, +1, "MOS"),
    "dnsmos_sig": LocalMetric("dnsmos", lambda path: Dnsmos(path, "sig"), +1, "MOS"),
    "dnsmos_bak": LocalMetric("dnsmos", lambda path: Dnsmos(path, "bak"), +1, "MOS"),
    "utmos": LocalMetric("utmos", Utmos, +1, "MOS"),
    "speaker_similarity": LocalMetric("speaker", SpeakerSimilarity, +1),
    "wer": LocalMetric("wer", WordErrorRate, -1),
}
ABOUT: dict[str, Metric | LocalMetric] = {**METRICS, **LOCAL}
DEFAULT: tuple[str, ...] = (
    "pesq_wb",
    "stoi",
    "estoi",
    "si_sdr",
    "harmonic_correlation",
    "tonal_lines",
)
DEFAULT += ("mel_distance", "delay", "gain", "clipping")
GROUPS = {"default": DEFAULT, "all": tuple(ABOUT)}


def with_installed(files: Mapping[str, str]) -> dict[str, str]:
    """`files` (key -> path) and, where none is given, those that an installed package ships."""
    found = installed_dnsmos()
    return ({} if found is None else {"dnsmos": found}) | dict(files)


def files_of(metrics: Mapping[str, Metric], files: Mapping[str, str]) -> dict[str, str]:
    """Those of `files` that one of `metrics` loads."""
    used = {LOCAL[name].file for name in metrics if name in LOCAL}
    return {key: file for key, file in files.items() if key in used}


def select(
    names: Sequence[str], files: Mapping[str, str] | None = None
) -> tuple[dict[str, Metric], list[str]]:
    """The metrics of these names in the order of the tables, and those that lack a file.

    Args:
        names: of metrics, `default` or `all`.
        files: what the optional metrics load: file key -> path.

    Raises:
        ConfigError: an unknown name or file key, or a file that is missing.
    """
    files = files or {}
    chosen = {metric for name in names for metric in GROUPS.get(name, (name,))}
    if unknown := sorted(chosen - ABOUT.keys()):
        raise ConfigError(f"unknown metric {unknown[0]!r}; known: {', '.join((*GROUPS, *ABOUT))}")
    keys = {row.file for row in LOCAL.values()}
    if strange := sorted(set(files) - keys):
        raise ConfigError(f"no metric loads {strange[0]!r}; some load {', '.join(sorted(keys))}")
    metrics = {name: metric for name, metric in METRICS.items() if name in chosen}
    for file in files.values():  # FILE.py:NAME for functions
        if not any(Path(name).is_file() for name in (file, file.rpartition(":")[0])):
            raise ConfigError(f"{file}: no such file for a metric")
    absent = []
    for name, row in LOCAL.items():
        if name in chosen and row.file in files:
            metrics[name] = Metric(row.build(files[row.file]), row.better, row.unit)
        elif name in chosen:
            absent.append(name)
    return metrics, absent
