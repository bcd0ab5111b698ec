"""One self-contained page about evaluations: tables, distributions, the worst utterances to hear.

Pictures and sounds are data URIs, so the page needs no network and no file beside it.
"""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from audiocodec.audio import read_waveform, wav_bytes
from audiocodec.errors import DataError
from audiocodec.evaluation.comparison import read_utterances
from audiocodec.evaluation.metrics import METRICS
from audiocodec.files import atomic_path

WORST = 10
MAX_SECONDS = 15  # of each player
PLAYER_RATE = 24_000

matplotlib.use("agg")


def write_report(folders: Sequence[Path], target: Path) -> None:
    """Write the page about one or more outputs of `codec evaluate`.

    Raises:
        DataError: a folder holds no evaluation.
    """
    systems = [_system(folder) for folder in folders]
    metrics = [name for name in METRICS if any(name in s["summary"]["metrics"] for s in systems)]
    page = _TEMPLATE.render(
        systems=systems,
        metrics=metrics,
        units={name: METRICS[name].unit for name in metrics},
        distributions=_distributions(systems, metrics),
        rate_quality=_rate_quality(systems),
        worst=_worst(systems[-1]),
    )
    with atomic_path(target) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _system(folder: Path) -> dict[str, Any]:
    try:
        summary = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        raise DataError(
            f"{folder}: no readable summary.json; give an output of codec evaluate"
        ) from None
    return {"name": folder.name, "summary": summary, "table": read_utterances(folder)}


def _distributions(systems: Sequence[dict[str, Any]], metrics: Sequence[str]) -> str:
    columns = min(3, len(metrics)) or 1
    rows = -(-len(metrics) // columns)
    figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
    for axis, name in zip(
        figure.subplots(rows, columns, squeeze=False).flat, metrics, strict=False
    ):
        for system in systems:
            if name in system["table"]:
                values = system["table"][name].dropna()
                axis.hist(values, bins=20, alpha=0.6, label=system["name"])
        axis.set_xlabel(f"{name} ({METRICS[name].unit})" if METRICS[name].unit else name)
        axis.set_ylabel("utterances")
        axis.legend(fontsize=7)
    return _png(figure)


def _rate_quality(systems: Sequence[dict[str, Any]]) -> str | None:
    points = [
        (system["summary"]["stamp"]["bitrate"] / 1000, system)
        for system in systems
        if "bitrate" in system["summary"]["stamp"]
    ]
    if len(points) < 2:
        return None
    points.sort(key=lambda point: point[0])
    figure = Figure(figsize=(8, 3), layout="constrained")
    for axis, name in zip(figure.subplots(1, 2), ("pesq_wb", "stoi"), strict=True):
        known = [
            (rate, s["summary"]["metrics"][name])
            for rate, s in points
            if name in s["summary"]["metrics"]
        ]
        if known:
            rates, values = zip(*known, strict=True)
            means = np.array([value["mean"] for value in values])
            ends = np.array([[value["ci_low"], value["ci_high"]] for value in values]).T
            axis.errorbar(rates, means, yerr=np.abs(ends - means), marker="o", capsize=3)
        axis.set_xlabel("kbit/s")
        axis.set_ylabel(name)
        axis.grid(alpha=0.3)
    return _png(figure)


def _worst(system: dict[str, Any]) -> list[dict[str, Any]]:
    table: pd.DataFrame = system["table"]
    name = next(
        (n for n in METRICS if METRICS[n].better and n in table and table[n].notna().any()), None
    )
    if name is None or "reference_path" not in table:
        return []
    rows = table.dropna(subset=[name]).sort_values(name, ascending=METRICS[name].better > 0)
    worst = []
    for identifier, row in rows.head(WORST).iterrows():
        try:
            sides = {
                side: read_waveform(row[f"{side}_path"], PLAYER_RATE)[0][
                    : MAX_SECONDS * PLAYER_RATE
                ]
                for side in ("reference", "degraded")
            }
        except ValueError:  # the audio is gone since it was scored
            continue
        worst.append(
            {
                "id": identifier,
                "metric": name,
                "value": row[name],
                "sounds": {
                    side: _data_uri("audio/wav", wav_bytes(waveform, PLAYER_RATE))
                    for side, waveform in sides.items()
                },
                "picture": _spectrograms(sides),
            }
        )
    return worst


def _spectrograms(sides: dict[str, np.ndarray]) -> str:
    figure = Figure(figsize=(8, 2.4), layout="constrained")
    for axis, (side, waveform) in zip(figure.subplots(1, 2), sides.items(), strict=True):
        spectrum = np.abs(np.fft.rfft(_frames(waveform) * np.hanning(512)))
        decibels = 20 * np.log10(np.maximum(spectrum, 1e-5)).T
        top = decibels.max()
        extent = (0, len(waveform) / PLAYER_RATE, 0, PLAYER_RATE / 2000)
        axis.imshow(decibels, origin="lower", aspect="auto", extent=extent, vmin=top - 80, vmax=top)
        axis.set_title(side, fontsize=8)
        axis.set_xlabel("s", fontsize=7)
        axis.set_ylabel("kHz", fontsize=7)
    return _png(figure)


def _frames(waveform: np.ndarray) -> np.ndarray:
    padded = np.pad(waveform, (0, max(0, 512 - len(waveform))))
    return np.lib.stride_tricks.sliding_window_view(padded, 512)[::256]


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    return _data_uri("image/png", buffer.getvalue())


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


_TEMPLATE = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="icon" href="data:,">
<title>Evaluation: {{ systems | map(attribute="name") | join(", ") }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; margin: auto; max-width: 60rem; padding: 1rem; }
table { border-collapse: collapse; }
th, td { border-bottom: 1px solid #ccc; padding: .2rem .6rem; text-align: right; }
th:first-child, td:first-child { text-align: left; }
.wide { overflow-x: auto; }
img { max-width: 100%; height: auto; }
audio { max-width: 100%; }
figure { margin: 1rem 0; }
</style>
</head>
<body>
<h1>Evaluation</h1>
<div class="wide"><table>
<tr><th>metric</th>{% for s in systems %}<th>{{ s.name }}</th>{% endfor %}</tr>
{% for name in metrics %}
<tr><td>{{ name }}{% if units[name] %} ({{ units[name] }}){% endif %}</td>
{% for s in systems %}{% set m = s.summary.metrics.get(name) %}
<td>{% if m %}{{ "%.3f" | format(m.mean) }}<br><small>{{ "%.3f" | format(m.ci_low) }} to
{{ "%.3f" | format(m.ci_high) }}; {{ m.n_ok }} ok, {{ m.n_failed }} failed</small>{% endif %}</td>
{% endfor %}</tr>
{% endfor %}
</table></div>
<p>Means with 95 % intervals by cluster bootstrap over speakers. Failures are never averaged in.</p>
{% if rate_quality %}
<h2>Rate and quality</h2>
<img src="{{ rate_quality }}" alt="mean scores against bitrate">
{% endif %}
<h2>Distributions</h2>
<img src="{{ distributions }}" alt="histograms of every metric">
{% if worst %}
<h2>The worst of {{ systems[-1].name }} by {{ worst[0].metric }}</h2>
{% for row in worst %}
<figure>
<figcaption><b>{{ row.id }}</b>: {{ row.metric }} {{ "%.3f" | format(row.value) }}</figcaption>
{% for side, sound in row.sounds.items() %}
<div>{{ side }}<br><audio controls preload="metadata" src="{{ sound }}"></audio></div>
{% endfor %}
<img src="{{ row.picture }}" alt="spectrograms of reference and degraded">
</figure>
{% endfor %}
{% endif %}
<h2>What the numbers depend on</h2>
{% for s in systems %}
<h3>{{ s.name }}</h3>
<div class="wide"><table>
{% for key, value in s.summary.stamp.items() %}<tr><td>{{ key }}</td><td>{{ value }}</td></tr>
{% endfor %}
</table></div>
{% endfor %}
</body>
</html>
"""
)
