"""The files of an evaluation: `utterances.csv`, `summary.json`, `summary.md`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from audiocodec.evaluation.scoring import Row, column
from audiocodec.evaluation.statistics import summarise
from audiocodec.files import atomic_path


def write_results(
    folder: Path, rows: Sequence[Row], metrics: Sequence[str], stamp: Mapping[str, Any]
) -> dict[str, Any]:
    """Write all files into `folder` and return the summary.

    The summary has `metrics` (name -> mean, ci_low, ci_high, median, n_ok, n_failed; absent if no
    utterance could be scored), `n_utterances`, `n_failed` (with a reason) and `stamp`: everything
    that can change a number.
    """
    speakers = np.array([row["speaker"] for row in rows])
    summaries = {name: summarise(column(rows, name), speakers) for name in metrics}
    summary = {
        "metrics": {name: asdict(value) for name, value in summaries.items() if value is not None},
        "n_utterances": len(rows),
        "n_failed": sum(bool(row["reason"]) for row in rows),
        "stamp": dict(stamp),
    }
    columns = ["id", "speaker", "seconds", *metrics, "length_difference", "flags", "reason"]
    columns += ["reference_path", "degraded_path"]
    table = pd.DataFrame(list(rows)).reindex(columns=columns)
    with atomic_path(folder / "utterances.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g")
    with atomic_path(folder / "summary.json") as temporary:
        text = json.dumps(summary, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8")
    with atomic_path(folder / "summary.md") as temporary:
        temporary.write_text(as_markdown(summary), encoding="utf-8")
    return summary


def as_markdown(summary: Mapping[str, Any]) -> str:
    """The table of means with intervals, and how many utterances they are over."""
    lines = [
        "| metric | mean | 95 % interval | median | scored | failed |",
        "|---|---|---|---|---|---|",
    ]
    for name, value in summary["metrics"].items():
        lines.append(
            f"| {name} | {value['mean']:.3f} | {value['ci_low']:.3f} to {value['ci_high']:.3f} "
            f"| {value['median']:.3f} | {value['n_ok']} | {value['n_failed']} |"
        )
    stamp = ", ".join(
        f"{key} {value}" for key, value in summary["stamp"].items() if key != "versions"
    )
    return "\n".join(lines) + f"\n\n{summary['n_utterances']} utterances. {stamp}\n"
