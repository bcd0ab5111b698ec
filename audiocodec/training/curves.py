"""The curves of one or more runs, as a picture and as a page that needs nothing beside it."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiocodec.evaluation.page import write_page
from audiocodec.extras import extra
from audiocodec.files import atomic_path
from audiocodec.training.run_log import read_log

with extra("web"):
    import matplotlib
    from matplotlib.figure import Figure

matplotlib.use("agg")

# Panels in the order of looking: title, scalars, whether the axis is logarithmic.
PANELS: tuple[tuple[str, tuple[str, ...], bool], ...] = (
    ("mel distance", ("mel", "valid/mel"), False),
    ("STFT distance", ("stft",), False),
    ("waveform distance", ("waveform",), False),
    ("quantizer loss", ("quantizer",), False),
    ("discriminators' loss", ("discriminator",), False),
    ("adversarial loss of the codec", ("adversarial",), False),
    ("feature matching", ("feature_matching",), False),
    ("gradient norms", ("gradient/codec", "gradient/discriminators"), True),
    ("codes in use, share", ("codebook/used_min", "codebook/used_mean"), False),
    ("perplexity", ("codebook/perplexity_min", "codebook/perplexity_mean"), True),
    ("PESQ of the validation set", ("valid/pesq",), False),
    ("STOI of the validation set", ("valid/stoi",), False),
    ("harmonic correlation of the validation set", ("valid/harmonic_correlation",), False),
    ("steady lines on the validation set (dB)", ("valid/tonal_lines",), False),
    ("DNSMOS of the validation set", ("valid/dnsmos",), False),
    ("voicing F1 on the validation set", ("valid/voicing_f1",), False),
    ("F0 error on the validation set (cents)", ("valid/f0_rmse",), False),
    ("codes in use on the validation set", ("valid/used_min", "valid/used_mean"), False),
    ("learning rate of the codec", ("learning_rate",), False),
    ("audio per second of work (s)", ("audio_seconds_per_second",), False),
    ("steps skipped", ("skipped",), False),
)
COLUMNS = 3
STYLES = ("-", "--")
WARNINGS = 50  # of each run, the last ones


def write_curves(experiments: Sequence[Path], picture: Path, page: Path) -> None:
    """Write the curves of `experiments` as a PNG and as an HTML page.

    Raises:
        DataError: a folder has no log.
    """
    runs = [(folder.resolve().name, read_log(folder)) for folder in experiments]
    buffer = io.BytesIO()
    draw(runs).savefig(buffer, format="png", dpi=100)
    with atomic_path(picture) as temporary:
        temporary.write_bytes(buffer.getvalue())
    write_page(
        "curves.html.jinja",
        page,
        names=[name for name, _ in runs],
        picture=buffer.getvalue(),
        tables=[_table(reports) for _, reports in runs],
        warnings=[_warnings(folder) for folder in experiments],
    )


def draw(runs: Sequence[tuple[str, list[dict[str, float]]]]) -> Figure:
    """One panel a quantity that some run has; one colour a run."""
    known = {name for _, reports in runs for report in reports for name in report}
    panels = [panel for panel in PANELS if known.intersection(panel[1])]
    rows = max(1, -(-len(panels) // COLUMNS))
    figure = Figure(figsize=(5 * COLUMNS, 3 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False).flat
    for axis, (title, names, logarithmic) in zip(axes, panels, strict=False):
        for index, (run, reports) in enumerate(runs):
            for style, name in zip(STYLES, names, strict=False):
                points = [(r["step"], r[name]) for r in reports if name in r]
                if points:
                    label = f"{run}: {name}" if len(runs) > 1 else name
                    steps, values = zip(*points, strict=True)
                    marker = "o" if name.startswith("valid/") or len(points) == 1 else ""
                    axis.plot(
                        steps, values, f"C{index}{style}{marker}", markersize=3, lw=1, label=label
                    )
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("step", fontsize=8)
        axis.grid(alpha=0.3)
        if logarithmic:
            axis.set_yscale("log")
        if len(names) > 1 or len(runs) > 1:
            axis.legend(fontsize=7)
    for axis in list(figure.axes)[len(panels) :]:
        axis.set_axis_off()
    return figure


def _table(reports: list[dict[str, float]]) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for report in reports:
        for name, value in report.items():
            if name not in ("step", "time"):
                row = rows.setdefault(name, {"name": name, "low": value, "high": value})
                row |= {"low": min(row["low"], value), "high": max(row["high"], value)}
                row |= {"last": value, "step": report["step"]}
    return list(rows.values())


def _warnings(experiment: Path) -> list[str]:
    path = experiment / "train.log"
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if " WARNING " in line][-WARNINGS:]
