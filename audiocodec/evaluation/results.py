"""The files of an evaluation: `utterances.csv` (and Parquet), `summary.json`, `summary.md`."""

import importlib.util
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.errors import DataError
from audiocodec.evaluation.metrics import ABOUT
from audiocodec.evaluation.scoring import Row
from audiocodec.evaluation.statistics import RESAMPLES, summarise
from audiocodec.extras import extra
from audiocodec.files import atomic_path

with extra("eval"):
    import pandas as pd

NUMBERS = ("seconds", *ABOUT, "length_difference")


def write_results(
    folder: Path, rows: Sequence[Row], metrics: Sequence[str], stamp: Mapping[str, Any]
) -> dict[str, Any]:
    """Write all files into `folder` and return the summary.

    The summary has `metrics` (name -> mean, ci_low, ci_high, median, n_ok, n_failed; one that is
    defined for no utterance is absent), `n_utterances`, `n_failed` (with a reason), `n_flagged`,
    `flags` (flag -> count), `intervals` and `stamp`: everything that can change a number.
    """
    columns = ["id", "speaker", "seconds", *metrics, "length_difference", "flags", "reason"]
    columns += ["reference_path", "degraded_path"]
    table = pd.DataFrame(list(map(_readable, rows))).reindex(columns=columns)
    summary = _summary(table, metrics, stamp)
    with atomic_path(folder / "utterances.csv") as temporary:
        table.to_csv(temporary, index=False, float_format="%.6g", errors="backslashreplace")
    if importlib.util.find_spec("pyarrow"):
        with atomic_path(folder / "utterances.parquet") as temporary:
            table.to_parquet(temporary, index=False)
    with atomic_path(folder / "summary.json") as temporary:
        text = json.dumps(summary, indent=2, ensure_ascii=False)
        temporary.write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    with atomic_path(folder / "summary.md") as temporary:
        temporary.write_text(as_markdown(summary), encoding="utf-8", errors="backslashreplace")
    return summary


def _readable(row: Row) -> dict[str, Any]:
    """A row whose names that are not UTF-8 have escapes: tables take no other text."""
    return {
        key: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for key, value in row.items()
    }


def _summary(
    table: pd.DataFrame, metrics: Sequence[str], stamp: Mapping[str, Any]
) -> dict[str, Any]:
    speakers = table["speaker"].to_numpy(dtype=str)
    summaries = {name: summarise(table[name].to_numpy(dtype=float), speakers) for name in metrics}
    count = len(np.unique(speakers))
    drawn = f"{count} speakers" if count > 1 else "utterances, since there is one speaker"
    intervals = f"95 %, bootstrap of {drawn}, {RESAMPLES} resamples, seed 0"
    flags = Counter(flag for cell in table["flags"] for flag in cell.split("; ") if flag)
    return {
        "metrics": {name: asdict(value) for name, value in summaries.items() if value is not None},
        "n_utterances": len(table),
        "n_failed": int((table["reason"] != "").sum()),
        "n_flagged": int((table["flags"] != "").sum()),
        "flags": dict(sorted(flags.items())),
        "intervals": intervals if len(table) > 1 else "none, since there is one utterance",
        "stamp": dict(stamp),
    }


def as_markdown(summary: Mapping[str, Any]) -> str:
    """The table of means with intervals, and how many utterances they are over."""
    lines = [
        "| metric | mean | 95 % interval | median | scored | failed |",
        "|---|---|---|---|---|---|",
    ]
    for name, value in summary["metrics"].items():
        unit = f" ({ABOUT[name].unit})" if ABOUT[name].unit else ""
        lines.append(
            f"| {name}{unit} | {value['mean']:.3f} "
            f"| {interval_text(value['ci_low'], value['ci_high'])} | {value['median']:.3f} "
            f"| {value['n_ok']} | {value['n_failed']} |"
        )
    lines += [
        "",
        f"{summary['n_utterances']} utterances, {summary['n_failed']} with a failure, "
        f"{summary['n_flagged']} flagged. Intervals: {summary['intervals']}.",
    ]
    lines += [f"- {flag}: {count}" for flag, count in summary["flags"].items()]
    facts = [f"{key}: {_text(value)}" for key, value in summary["stamp"].items()]
    return "\n".join([*lines, "", *(f"- {fact}" for fact in facts)]) + "\n"


def interval_text(low: float | None, high: float | None, sign: str = "") -> str:
    """An interval for people."""
    return "-" if low is None or high is None else f"{low:{sign}.3f} to {high:{sign}.3f}"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def read_utterances(folder: str | Path) -> pd.DataFrame:
    """The `utterances.csv` of an evaluation, by id; numbers are NaN where there is none.

    Raises:
        DataError: the folder holds no evaluation.
    """
    path = Path(folder) / "utterances.csv"
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)  # an id may be "nan" or "007"
        for name in table.columns.intersection(NUMBERS):
            table[name] = [float(text or "nan") for text in table[name]]
        return table.set_index("id")
    except (OSError, ValueError, KeyError):
        raise DataError(
            f"{folder}: no readable utterances.csv; give an output of codec evaluate"
        ) from None


def read_summary(folder: str | Path) -> dict[str, Any]:
    """The `summary.json` of an evaluation.

    Raises:
        DataError: the folder holds no evaluation.
    """
    try:
        text = (Path(folder) / "summary.json").read_text(encoding="utf-8")
        summary: dict[str, Any] = json.loads(text)
    except (OSError, json.JSONDecodeError):
        raise DataError(
            f"{folder}: no readable summary.json; give an output of codec evaluate"
        ) from None
    return summary
