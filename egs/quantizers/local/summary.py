"""The short tables of docs/quantizers.md, from the rows of a comparison.

    python local/summary.py --results results/speech_full/results.json \\
        --longer results/speech_long/results.json --page ../../docs/quantizers.md

They replace what the page has between `BLOCK`s of comments: all methods, or those that the comment
names (`<!-- written by egs/quantizers/local/summary.py: simvq vq -->`) side by side.
"""

import argparse
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from methods import METHODS
from page import flat

from audiocodec.files import atomic_path

BLOCK = re.compile(
    r"(?P<begin><!-- written by egs/quantizers/local/summary.py(?:: (?P<methods>[\w ]+))? -->\n)"
    r".*?(?P<end>\n<!-- until here -->)",
    re.DOTALL,
)
SIDE_BY_SIDE = "{used:.1f}, {over_bound:.2f}, {mel_distance:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--results", type=Path, nargs="+", required=True)
    parser.add_argument(
        "--longer", type=Path, nargs="+", default=[], help="results of rows of other lengths"
    )
    parser.add_argument("--page", type=Path, required=True)
    args = parser.parse_args()
    rows, longer = (
        [row for path in paths for row in read(path)] for paths in (args.results, args.longer)
    )

    def written(block: re.Match[str]) -> str:
        if block["methods"]:
            lines = side_by_side(rows, block["methods"].split())
        else:
            lines = [*tables(rows), *by_steps(rows, longer)]
        return "\n".join([block["begin"], *lines, block["end"]])

    text = BLOCK.sub(written, args.page.read_text(encoding="utf-8"))
    with atomic_path(args.page) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read(path: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def tables(rows: list[dict[str, Any]]) -> list[str]:
    """Use of the codes, and what it is worth, each by the size of the codebook."""
    return [
        "Codes in use, in % (perplexity):",
        "",
        *by_size(rows, METHODS, "{used:.1f} ({perplexity:,.0f})"),
        "",
        "Mel distance of speech (error of the latent over the bound), the less the better:",
        "",
        *by_size(rows, METHODS, "{mel_distance:.3f} ({over_bound:.2f})"),
        "",
    ]


def side_by_side(rows: list[dict[str, Any]], methods: list[str]) -> list[str]:
    """Rows of the first seed, which all methods have, of an equal start."""
    first = min(row["seed"] for row in rows)
    lines = ["Codes in use in %, error over the bound, mel distance:", ""]
    own = [row for row in rows if row["seed"] == first and row["method"] in methods]
    return lines + by_size(own, methods, SIDE_BY_SIDE)


def by_size(rows: list[dict[str, Any]], methods: Iterable[str], cell: str) -> list[str]:
    """A row each method, a column each size, means over the seeds."""
    table = pd.DataFrame(map(flat, rows))
    table["used"] *= 100
    sizes = sorted(table["size_bits"].unique())
    means = table.groupby(["method", "size_bits"]).mean(numeric_only=True)
    lines = ["| method | " + " | ".join(f"{2**size:,} codes" for size in sizes) + " |"]
    lines.append("|---|" + "---|" * len(sizes))
    for method in methods:
        if method in table["method"].values:
            cells = [
                cell.format(**means.loc[(method, size)]) if (method, size) in means.index else "-"
                for size in sizes
            ]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


def by_steps(rows: list[dict[str, Any]], longer: list[dict[str, Any]]) -> list[str]:
    """What became of rows that were trained for longer or otherwise, after those of the table."""
    if not longer:
        return []
    wanted = {row["bits_asked"] for row in longer}
    names = {row["method"] for row in longer}
    own = [
        row
        for row in rows
        if row["bits_asked"] in wanted and row["method"] in names and row["seed"] == 0
    ]
    heads = ("method", "codes", "steps before", "steps", "used %", "perplexity", "error", "mel")
    lines = ["Other lengths of training:", "", "| " + " | ".join(heads) + " |"]
    lines.append("|---" * len(heads) + "|")
    for row in own + longer:
        found, trained = flat(row), dict(s.split("=") for s in row["settings"] if "=" in s)
        cells = [row["method"], f"{2 ** row['bits_asked']:,}", trained["start_steps"]]
        cells += [trained["steps"], f"{100 * found['used']:.1f}", f"{found['perplexity']:,.0f}"]
        cells += [f"{found['distortion']:.3f}", f"{found['mel_distance']:.3f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
