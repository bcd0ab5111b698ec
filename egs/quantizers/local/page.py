"""The tables, figures and page of the rows that are there.

    python local/page.py --rows exp/speech/rows --output exp/speech --command "./run.sh"

OUTPUT gets results.json and results.parquet, a row for each row; figures and README.md are made
from these alone.
"""

import argparse
import json
from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from figures import draw_all
from methods import METHODS, plan

from audiocodec.environment import commit
from audiocodec.files import atomic_path

NAMES = {
    "used": "used %",
    "reachable": "possible %",
    "perplexity": "perplexity",
    "distortion": "error",
    "over_bound": "error / bound",
    "mel_distance": "mel",
    "pesq_wb": "PESQ",
    "stoi": "STOI",
    "psnr": "PSNR (dB)",
    "ssim": "SSIM",
    "unused_moved": "unused moved",
    "seconds_a_step": "s / step",
    "memory_mb": "MB",
}
PERCENT = ("used", "reachable")
DIGITS = {"perplexity": 0, "memory_mb": 0, "used": 1, "reachable": 1, "pesq_wb": 2, "psnr": 2}

ABOUT = """\
Every row is the same {subject} with another quantizer, trained on the same data by the same recipe
for the same steps, with its own defaults and the options of `egs/quantizers/local/methods.py`.
Values are means over seeds, with the smallest and the largest where there are several.

- *used*: share of the codes that occur among as many frames of the training set as each heading
  says; *possible*: what as many frames would use of equally likely codes. More frames would find
  more codes. Methods of two codes a frame have two small codebooks, whose use does not compare with
  that of one large one.
- *perplexity*: of the codes of the training set.
- *error*: mean squared error of the latent over its variance, on the validation set; *error /
  bound*: over the rate-distortion bound of a Gaussian of the same covariance at the nominal bits.
  Latents are those of the row's own encoder, and not Gaussian: the ratio may be below 1.
- *unused moved*: root mean square way of the codes that are not in use between two counts, over the
  deviation of the codes, a median over the training.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--rows", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--command", required=True, help="that made the rows")
    parser.add_argument("--note", default="", help="what else to know of the rows")
    args = parser.parse_args()
    rows = [
        json.loads(path.read_text(encoding="utf-8")) for path in sorted(args.rows.glob("*.json"))
    ]
    if not rows:
        parser.error(f"no rows in {args.rows}")
    args.output.mkdir(parents=True, exist_ok=True)
    with atomic_path(args.output / "results.json") as temporary:
        temporary.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    table = pd.DataFrame(map(flat, rows))
    with atomic_path(args.output / "results.parquet") as temporary:
        table.to_parquet(temporary)
    figures = draw_all(rows, table, args.output)
    with atomic_path(args.output / "README.md") as temporary:
        temporary.write_text(page(rows, table, figures, args.command, args.note), encoding="utf-8")
    print(args.output / "README.md")


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row of the table."""
    moved = [
        point["unused_moved"] for point in row["curve"] if point.get("unused_moved") is not None
    ]
    own = ("method", "seed", "memory_mb", "seconds_a_step")
    return (
        {name: row[name] for name in own}
        | {"size_bits": row["bits_asked"], "bits": row["bits"]}
        | {name: row["train"][name] for name in ("used", "reachable", "perplexity", "frames")}
        | {name: row["valid"][name] for name in ("distortion", "over_bound")}
        | row["quality"]
        | {"unused_moved": float(np.median(moved)) if moved else None}
    )


def page(
    rows: list[dict[str, Any]],
    table: pd.DataFrame,
    figures: dict[str, str],
    command: str,
    note: str = "",
) -> str:
    """Markdown."""
    first = rows[0]
    speech = first["modality"] == "speech"
    title = "speech" if speech else "images"
    subject = "small codec of speech" if speech else "small autoencoder of photographs"
    lines = [f"# Quantizers compared on {title}", ""]
    lines += [ABOUT.format(subject=subject)]
    if note:
        lines += [note, ""]
    for size, part in table.groupby("size_bits"):
        frames = f"{int(part['frames'].max()):,}"
        lines += [f"## {2**size:,} codes, on {frames} frames", "", *markdown(part), ""]
    lines += ["## Rows that are missing", "", *missing(table), "", "## Figures", ""]
    lines += [f"{caption}\n\n![{caption}]({name})\n" for name, caption in figures.items()]
    counts = Counter(row["commit"] for row in rows)
    commits = ", ".join(f"{commit} ({count} rows)" for commit, count in sorted(counts.items()))
    seeds = ", ".join(map(str, sorted({row["seed"] for row in rows})))
    lines += ["## How it was made", "", f"`{command.strip()}` at {commits};"]
    lines += [f"{len(rows)} rows, seeds {seeds},"]
    lines += [f"settings `{' '.join(first['settings'])}`, torch {first['torch']},"]
    lines += [f"{first['processor']}, one thread. Page: `python local/page.py` at {commit()}.", ""]
    return "\n".join(lines)


def markdown(part: pd.DataFrame) -> list[str]:
    """A table of one size, the methods in the order of their error."""
    columns = [name for name in NAMES if name in part and part[name].notna().any()]
    groups = part.groupby("method")
    order = groups["distortion"].mean().sort_values().index
    lines = ["| method | bits | seeds | " + " | ".join(NAMES[c] for c in columns) + " |"]
    lines += ["|---|---|---|" + "---|" * len(columns)]
    for method in order:
        group = groups.get_group(method)
        cells = [method, f"{group['bits'].iloc[0]:.1f}", str(len(group))]
        lines.append("| " + " | ".join(cells + [cell(group[c], c) for c in columns]) + " |")
    return lines


def missing(table: pd.DataFrame) -> list[str]:
    """What `run.sh` would add to these sizes and seeds, by size."""
    found = set(zip(table["method"], table["size_bits"], table["seed"], strict=True))
    sizes, seeds = (sorted(set(map(int, table[name]))) for name in ("size_bits", "seed"))
    wanted = list(plan(METHODS, sizes, seeds))
    left = sorted(set(wanted) - found, key=lambda row: (row[1], row[2], wanted.index(row)))
    lines = [
        f"{len(found & set(wanted))} of the {len(wanted)} rows of these sizes and seeds are here."
    ]
    for (size, seed), rows in groupby(left, key=lambda row: row[1:]):
        lines.append(f"- {2**size:,} codes, seed {seed}: {quoted(name for name, _, _ in rows)}")
    short = {size: [n for n in METHODS if METHODS[n].bits < size] for size in sizes}
    limits = [f"{quoted(names)} at {2**size:,} codes" for size, names in short.items() if names]
    if limits:
        lines += ["", f"The recipe has no rows of {'; '.join(limits)}."]
    return lines


def quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def cell(values: pd.Series, column: str) -> str:
    """The mean, with the range of several."""
    values = values.dropna() * (100 if column in PERCENT else 1)
    if values.empty:
        return "-"
    digits = DIGITS.get(column, 3)
    text = f"{values.mean():,.{digits}f}"
    if len(values) > 1:
        text += f" ({values.min():,.{digits}f} to {values.max():,.{digits}f})"
    return text


if __name__ == "__main__":
    main()
