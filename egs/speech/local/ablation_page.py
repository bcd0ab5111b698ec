"""docs/ablation.md from docs/ablation.json and, if it names them, the curves of `curves.py`.

Nothing is trained or measured here.

python local/ablation_page.py ../../docs/ablation.json
"""

import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

TITLES = {
    "mel_distance": "mel",
    "pesq_wb": "PESQ-wb",
    "stoi": "STOI",
    "dnsmos": "DNSMOS",
    "harmonic_correlation": "harmonics",
    "tonal_lines": "lines (dB)",
}  # others by their names
CURVE_TITLES = {
    "pesq": "PESQ-wb",
    "stoi": "STOI",
    "harmonic_correlation": "harmonics",
    "mel": "mel",
}
LATE_HOURS = 3
PAGE = """# {title}

What each choice in `{config}` is worth after {seconds} s of training on one thread, in {clock}
({processor}, torch {torch}; `egs/speech/local/ablation.py`, commit {commit}). Every row trains from
scratch with one thing changed.{note} Scores are means over the validation utterances: a lower mel
distance and fewer dB of lines are better, and so is more of everything else. Rows differ in steps
because their steps differ in cost and because the machine had other work; differences of a few
hundredths mean nothing.{earlier}

{scores}{missing}

## The command

All rows, in `egs/speech`:

```bash
{command}
```

and each adds its own `--set` options:

{settings}
"""
CURVES = """
## Against hours of training

Measures on the validation utterances (speakers held out of the training data) at 6 kbit/s over the
sittings of the shipped model on one core, beside other work; `egs/speech/local/curves.py` counts
and draws them. Each run starts from the model of the one before, with other weights of the losses.

![curves](images/{stem}.png)

{table}

{late}

The weights of the losses at the end of each run:

{weights}
"""


def main() -> None:
    path = Path(sys.argv[1])
    write_page(json.loads(path.read_text(encoding="utf-8")), path.with_suffix(".md"))


def write_page(results: Mapping[str, Any], target: Path) -> None:
    """Write the page of `results`, whose `rows` have a name, settings, steps and scores."""
    rows = results["rows"]
    words = ("title", "clock", "config", "seconds", "processor", "torch", "commit")
    named = {key: results[key] for key in words}
    earlier, note = results.get("earlier"), results.get("note")
    names = "; ".join(results.get("missing", ()))
    page = PAGE.format(
        **named,
        scores=_scores(rows),
        earlier=f" An [earlier design]({earlier}) had more rows." if earlier else "",
        note=f" {note}" if note else "",
        missing=f"\n\nRows that were not run: {names}." if names else "",
        command=_command(results),
        settings=_settings(rows),
    )
    curves = target.parent / results.get("curves", "")
    if curves.is_file():
        page += _curves(json.loads(curves.read_text(encoding="utf-8"))["runs"], curves.stem)
    target.write_text(page, encoding="utf-8")


def _curves(runs: Sequence[Mapping[str, Any]], stem: str) -> str:
    measures = [name for name in runs[0]["points"][0] if name not in ("hours", "step")]
    titles = [CURVE_TITLES.get(name, name) for name in measures]
    table = [
        f"| run | hours | step | {' | '.join(titles)} |",
        "|---|---|---|" + "---|" * len(titles),
    ]
    for run in runs:
        for point in _told(run["points"]):
            cells = " | ".join(f"{point[name]:.3f}" for name in measures)
            table.append(f"| {run['run']} | {point['hours']:.2f} | {point['step']} | {cells} |")
    points = [point for run in runs for point in run["points"]]
    names = list(runs[0]["weights"])
    weights = [f"| run | {' | '.join(names)} |", "|---|" + "---|" * len(names)]
    for run in runs:
        cells = " | ".join(f"{run['weights'][name]:g}" for name in names)
        weights.append(f"| {run['run']} | {cells} |")
    return CURVES.format(
        stem=stem, table="\n".join(table), late=_late(points), weights="\n".join(weights)
    )


def _late(points: Sequence[Mapping[str, Any]]) -> str:
    """What the last hours changed, each measure as the mean of three validations."""
    hours = points[-1]["hours"]
    before = sum(point["hours"] <= hours - LATE_HOURS for point in points)
    if before < 2:
        return ""
    ends = points[before - 2 : before + 1], points[-3:]
    changes = []
    for name in ("pesq", "stoi", "harmonic_correlation"):
        start, end = (sum(point[name] for point in own) / len(own) for own in ends)
        changes.append(f"{CURVE_TITLES[name]} by {end - start:+.3f}")
    return f"The last {LATE_HOURS} hours changed {', '.join(changes)} (means of three validations)."


def _told(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The first and the last of a run, and those nearest to each half hour between."""
    told = {}
    for point in (points[0], *points, points[-1]):
        told.setdefault(round(2 * point["hours"]), point)
    return [*list(told.values())[:-1], points[-1]]


def train_command(results: Mapping[str, Any], settings: Sequence[str], output: str) -> list[str]:
    """The training of one row: the settings of all rows, then its own."""
    words = [word for setting in (*results["common"], *settings) for word in ("--set", setting)]
    return [
        "codec", "train", "--config", results["config"], "--train-data", results["train"],
        "--valid-data", results["valid"], "--output", output,
        "--device", "cpu", "--threads", "1", *words,
    ]  # fmt: skip


def _command(results: Mapping[str, Any]) -> str:
    words = ["timeout", "-s", "TERM", str(results["seconds"])]
    text = shlex.join([*words, *train_command(results, (), "exp/ablation/ROW")])
    return text.replace(" --", " \\\n  --")


def _scores(rows: Sequence[Mapping[str, Any]]) -> str:
    columns = dict.fromkeys(
        (rate, metric)
        for row in rows
        for rate, scores in row["scores"].items()
        for metric in scores
    )
    titles = [f"{rate}: {TITLES.get(metric, metric)}" for rate, metric in columns]
    lines = [f"| row | steps | {' | '.join(titles)} |", f"|---|{'---|' * (len(titles) + 1)}"]
    for row in rows:
        values = [row["scores"].get(rate, {}).get(metric) for rate, metric in columns]
        cells = ["" if value is None else f"{value:.3f}" for value in values]
        lines.append(f"| {row['row']} | {row['steps']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _settings(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| row | `--set` |", "|---|---|"]
    for row in rows:
        lines.append(f"| {row['row']} | {'<br>'.join(f'`{s}`' for s in row['settings'])} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
