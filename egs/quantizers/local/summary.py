"""The short tables of docs/quantizers.md, from the rows of a comparison.

    python local/summary.py --results results/speech_full/results.json \\
        --page ../../docs/quantizers.md

They replace what the page has between `BEGIN` and `END`.
"""

import argparse
import json
from pathlib import Path

import pandas as pd
from methods import METHODS
from page import flat

from audiocodec.files import atomic_path

BEGIN, END = "<!-- written by egs/quantizers/local/summary.py -->", "<!-- until here -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--page", type=Path, required=True)
    args = parser.parse_args()
    table = pd.DataFrame(map(flat, json.loads(args.results.read_text(encoding="utf-8"))))
    before, rest = args.page.read_text(encoding="utf-8").split(BEGIN)
    _, after = rest.split(END)
    text = "\n".join([BEGIN, *tables(table), END])
    with atomic_path(args.page) as temporary:
        temporary.write_text(before + text + after, encoding="utf-8")


def tables(table: pd.DataFrame) -> list[str]:
    """Use of the codes, and what it is worth, each by the size of the codebook."""
    percent = table.assign(used=100 * table["used"])
    return [
        "",
        "Codes in use, in % (perplexity):",
        "",
        *by_size(percent, "{used:.1f} ({perplexity:,.0f})"),
        "",
        "Mel distance of speech (error of the latent over the bound), the less the better:",
        "",
        *by_size(percent, "{mel_distance:.3f} ({over_bound:.2f})"),
        "",
    ]


def by_size(table: pd.DataFrame, cell: str) -> list[str]:
    """A row each method, a column each size, means over the seeds."""
    sizes = sorted(table["size_bits"].unique())
    means = table.groupby(["method", "size_bits"]).mean(numeric_only=True)
    lines = ["| method | " + " | ".join(f"{2**size:,} codes" for size in sizes) + " |"]
    lines.append("|---|" + "---|" * len(sizes))
    for method in METHODS:
        if method in table["method"].values:
            cells = [
                cell.format(**means.loc[(method, size)]) if (method, size) in means.index else "-"
                for size in sizes
            ]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return lines


if __name__ == "__main__":
    main()
