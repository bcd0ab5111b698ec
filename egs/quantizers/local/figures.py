"""Figures of the comparison, from its rows alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from audiocodec.files import atomic_path

matplotlib.use("Agg")

MAIN = (
    "simvq",
    "simvq_random_start",
    "vq",
    "vq_random_start",
    "ema_vq",
    "cvq",
    "fsq",
    "factorized_vq",
)


def draw_all(rows: list[dict[str, Any]], table: pd.DataFrame, folder: Path) -> dict[str, str]:
    """Draw each figure; file name -> caption."""
    largest = int(table["size_bits"].max())
    at_largest = [row for row in rows if row["bits_asked"] == largest and row["seed"] == 0]
    made: dict[str, tuple[str, Callable[[Axes], None]]] = {
        "use_by_size.png": (
            "Share of the codebook in use against its size",
            lambda axes: _by_size(axes, table, "used", "share of codes used"),
        ),
        "distortion_by_bits.png": (
            "Error of the latent over the bound of a Gaussian, against the bits of a frame",
            lambda axes: _by_size(axes, table, "over_bound", "error over bound", every=True),
        ),
        "use_by_step.png": (
            f"Share of {2**largest:,} codes in use along the training",
            lambda axes: _by_step(axes, at_largest, "used", "share of codes used"),
        ),
        "unused_moved.png": (
            f"Movement of the codes of {2**largest:,} that are not in use, between two counts",
            lambda axes: _by_step(axes, at_largest, "unused_moved", "way over deviation of codes"),
        ),
    }
    for name, (caption, draw) in made.items():
        figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
        draw(axes)
        axes.set_title(caption, fontsize=10)
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=7, ncols=2)
        with atomic_path(folder / name) as temporary:
            figure.savefig(temporary, format="png", dpi=110)
        plt.close(figure)
    return {name: caption for name, (caption, _) in made.items()}


def _by_size(axes: Axes, table: pd.DataFrame, column: str, label: str, every: bool = False) -> None:
    chosen = table if every else table[table["method"].isin(MAIN)]
    for index, (method, group) in enumerate(chosen.groupby("method")):
        means = group.groupby("size_bits").agg({"bits": "mean", column: ["mean", "min", "max"]})
        centre = means[column]["mean"]
        spread = [centre - means[column]["min"], means[column]["max"] - centre]
        marker = "os^vDPX*"[index % 8]
        bits = means["bits"]["mean"]
        axes.errorbar(bits, centre, yerr=spread, marker=marker, label=method, capsize=2, lw=1)
    axes.set(xlabel="bits a frame", ylabel=label)
    if every:
        axes.set_yscale("log")
    else:
        axes.set_ylim(0, 1.05)


def _by_step(axes: Axes, rows: list[dict[str, Any]], column: str, label: str) -> None:
    for index, row in enumerate(row for row in rows if row["method"] in MAIN):
        points = [(p["step"], p[column]) for p in row["curve"] if p.get(column) is not None]
        if points:
            marker = "os^vDPX*"[index % 8]
            axes.plot(*zip(*points, strict=True), marker=marker, ms=3, lw=1, label=row["method"])
    axes.set(xlabel="step", ylabel=label)
