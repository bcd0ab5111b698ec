"""Validation measures against hours of training, over all sittings of a model.

    python local/curves.py --runs exp/first exp/second --output ../../docs/training_curves.json

Each run starts from the weights of the one before it; its hours are counted on from there. A break
between sittings is not training. The figure lies in `images/` beside the numbers, and
`ablation_page.py` puts both on its page.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from card import PAUSE

from audiocodec.config import load_config
from audiocodec.training.config import TrainConfig

MEASURES = {
    "pesq": "PESQ-wb", "stoi": "STOI", "harmonic_correlation": "harmonic correlation",
    "mel": "mel distance",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--runs", type=Path, nargs="+", required=True, help="in their order")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    runs: list[dict[str, Any]] = []
    for folder in args.runs:
        runs.append(curve(folder, runs[-1]["hours"] if runs else 0.0))
    args.output.write_text(json.dumps({"runs": runs}, indent=1) + "\n", encoding="utf-8")
    figure = args.output.parent / "images" / f"{args.output.stem}.png"
    draw(runs, figure)


def curve(folder: Path, start: float) -> dict[str, Any]:
    """One run: its name, weights of the losses, hours at its end, and its validations."""
    text = (folder / "log.jsonl").read_text(encoding="utf-8")
    hours, last, points = start, None, []
    for line in map(json.loads, text.splitlines()):
        if last is not None and line["time"] - last < PAUSE:
            hours += (line["time"] - last) / 3600
        last = line["time"]
        if "valid/pesq" in line:
            values = {name: round(line[f"valid/{name}"], 4) for name in MEASURES}
            points.append({"hours": round(hours, 3), "step": line["step"], **values})
    losses = load_config(TrainConfig, folder / "config.yaml").losses
    named = ("mel", "stft", "harmonic", "loudness", "intelligibility")
    weights = {name: getattr(losses, name) for name in named}
    return {"run": folder.name, "weights": weights, "hours": round(hours, 3), "points": points}


def draw(runs: list[dict[str, Any]], path: Path) -> None:
    figure, axes = plt.subplots(2, 2, figsize=(9, 5.5), sharex=True, layout="constrained")
    for axis, (name, title) in zip(axes.flat, MEASURES.items(), strict=True):
        for run in runs:
            points = run["points"]
            hours = [point["hours"] for point in points]
            axis.plot(hours, [point[name] for point in points], ".-", label=run["run"])
        axis.set_title(title)
        axis.grid(alpha=0.3)
    for axis in axes[1]:
        axis.set_xlabel("hours of training")
    axes[0, 0].legend()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
