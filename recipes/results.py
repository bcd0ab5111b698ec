"""Append a row to a table of results, with all that is needed to get it again.

    python recipes/results.py --scores EXP/scores --results RESULTS.md --command "./run.sh --seed 1"

The scores, the system's name and its bitrate are those that `codec evaluate` wrote.
"""

import argparse
import json
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from audiocodec._version import __version__
from audiocodec.files import atomic_path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--scores", type=Path, required=True, metavar="DIR")
    parser.add_argument("--results", type=Path, required=True, metavar="FILE")
    parser.add_argument("--command", required=True, help="that made it")
    args = parser.parse_args()
    summary = json.loads((args.scores / "summary.json").read_text(encoding="utf-8"))
    stamp = summary["stamp"]
    cells = {"date": f"{datetime.now(timezone.utc):%Y-%m-%d}"}
    cells["system"] = str(stamp.get("name", args.scores.resolve().name))
    cells["kbit/s"] = f"{stamp['bitrate'] / 1000:.2f}" if "bitrate" in stamp else ""
    cells |= scored(summary) | {"commit": commit(), "command": f"`{args.command.strip()}`"}
    append_row(args.results, cells)


def scored(summary: dict[str, Any]) -> dict[str, str]:
    """The cells of an evaluation: means with half their 95 % intervals, counts."""
    cells = {}
    for name, value in summary["metrics"].items():
        low, high = value["ci_low"], value["ci_high"]
        half = "" if low is None else f" ± {(high - low) / 2:.3f}"
        cells[name] = f"{value['mean']:.3f}{half}"
    return cells | {"utterances": str(summary["n_utterances"]), "failed": str(summary["n_failed"])}


def commit() -> str:
    """The checkout that ran, `+` if it had changes; the version outside of a checkout."""
    here = Path(__file__).parent
    git = ["git", "-C", str(here), "describe", "--always", "--exclude=*", "--dirty=+"]
    done = subprocess.run(git, capture_output=True, text=True, check=False)
    return done.stdout.strip() or f"version {__version__}"


def append_row(path: Path, cells: dict[str, str]) -> None:
    """Add a row, unless it is there (after an interrupted stage); one whose columns differ
    from the last table's starts a new table.
    """
    text = path.read_text(encoding="utf-8") if path.exists() else "# Results\n"
    header, values = row(list(cells)), row(list(cells.values()))
    tables = [line for line in text.splitlines() if line.startswith("| date |")]
    if tables and tables[-1] == header:
        if values in text.splitlines():
            return
    else:
        text += f"\n{header}\n{'|---' * len(cells)}|\n"
    with atomic_path(path) as temporary:
        temporary.write_text(text + values + "\n", encoding="utf-8")


def row(cells: list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


if __name__ == "__main__":
    main()
