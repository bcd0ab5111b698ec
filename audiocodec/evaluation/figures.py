"""The pictures of a report, as PNG bytes."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from audiocodec.evaluation.metrics import ABOUT
from audiocodec.evaluation.spectrogram import levels
from audiocodec.extras import extra

with extra("eval"):
    import pandas as pd
with extra("web"):
    from matplotlib.figure import Figure

QUALITY = ("pesq_wb", "stoi", "estoi", "si_sdr", "mel_distance")  # drawn against bitrate


def data_uri(content: bytes, kind: str) -> str:
    """A URI that is the content, e.g. of `kind` image/png."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def distributions(tables: Mapping[str, pd.DataFrame], metrics: Sequence[str]) -> bytes | None:
    """A histogram of every metric; systems share its bins."""
    if not metrics:
        return None
    columns = min(2, len(metrics))  # more would be too small on a phone
    rows = -(-len(metrics) // columns)
    figure = Figure(figsize=(4 * columns, 2.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for axis, name in zip(axes, metrics, strict=False):
        values = {system: table[name].dropna() for system, table in tables.items() if name in table}
        bins = np.histogram_bin_edges(np.concatenate(list(values.values())), bins=20)
        for system, sample in values.items():
            axis.hist(sample, bins=bins, alpha=0.6, label=system)
        axis.set_xlabel(_label(name))
        axis.set_ylabel("utterances")
    axes_left = list(axes)
    for axis in axes_left:
        axis.axis("off")
    if len(tables) > 1:
        figure.axes[0].legend(fontsize=7)
    return _png(figure)


def rate_quality(
    systems: Sequence[tuple[str, Mapping[str, Any]]], metrics: Sequence[str]
) -> bytes | None:
    """Means against bitrate, with intervals, where two systems or more have a bitrate."""
    rated = [(name, s) for name, s in systems if s["stamp"].get("bitrate")]
    shown = [name for name in QUALITY if name in metrics]
    if len(rated) < 2 or not shown:
        return None
    rated.sort(key=lambda system: system[1]["stamp"]["bitrate"])
    figure = Figure(figsize=(6, 2.6 * len(shown)), layout="constrained")
    for axis, metric in zip(figure.subplots(len(shown), squeeze=False).flat, shown, strict=True):
        families: dict[str, list[tuple[float, Mapping[str, float], str]]] = {}
        for name, summary in rated:
            if metric in summary["metrics"]:
                family = str(summary["stamp"].get("model", name))  # one line for each model
                point = (summary["stamp"]["bitrate"] / 1000, summary["metrics"][metric], name)
                families.setdefault(family, []).append(point)
        for family, points in families.items():
            rates = [rate for rate, _, _ in points]
            means = np.array([value["mean"] for _, value, _ in points])
            ends = [[value["ci_low"], value["ci_high"]] for _, value, _ in points]
            away = np.abs(np.array(ends, dtype=float) - means[:, None])  # NaN: not known
            axis.errorbar(rates, means, np.nan_to_num(away.T), marker="o", capsize=3, label=family)
            for rate, mean, (_, _, name) in zip(rates, means, points, strict=True):
                axis.annotate(
                    name, (rate, mean), fontsize=7, xytext=(4, 4), textcoords="offset points"
                )
        axis.set_xlabel("kbit/s")
        axis.set_ylabel(_label(metric))
        axis.grid(alpha=0.3)
    return _png(figure)


def spectrogram(waveform: np.ndarray, sample_rate: int) -> bytes:
    """Levels of (time,) over 80 dB below the loudest."""
    figure = Figure(figsize=(7, 1.8), layout="constrained")
    axis = figure.subplots()
    extent = (0, len(waveform) / sample_rate, 0, sample_rate / 2000)
    picture = levels(waveform, sample_rate)
    axis.imshow(picture, origin="lower", aspect="auto", extent=extent, vmin=0, vmax=1)
    axis.set_xlabel("s", fontsize=8)
    axis.set_ylabel("kHz", fontsize=8)
    return _png(figure)


def _label(metric: str) -> str:
    unit = ABOUT[metric].unit
    return f"{metric} ({unit})" if unit else metric


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=90)  # Figure alone draws without a display
    return buffer.getvalue()
