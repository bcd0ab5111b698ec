"""Results on stdout: aligned text for people, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """Print JSON; what stdout cannot encode becomes escapes of JSON, not those of Python."""
    encoding = (getattr(sys.stdout, "encoding", None) or "utf-8").lower()
    print(json.dumps(value, indent=2, ensure_ascii=not encoding.startswith("utf")))


def print_report(values: Mapping[str, Any], as_json: bool) -> None:
    """Print nested mappings of plain values."""
    if as_json:
        print_json(values)
    else:
        print("\n".join(_lines(values, "")))


def print_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows with the same columns as a table, aligned, that is also Markdown."""
    cells = [list(rows[0]), *([_text(value, none="-") for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [" | ".join(map(str.ljust, line, widths)) for line in cells]
    lines.insert(1, "-|-".join("-" * width for width in widths))
    print(
        "\n".join(
            f"| {line} |" if index != 1 else f"|-{line}-|" for index, line in enumerate(lines)
        )
    )


def _lines(values: Mapping[str, Any], indent: str) -> list[str]:
    lines = []
    width = max(map(len, values), default=0) + 2
    for name, value in values.items():
        if isinstance(value, Mapping):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{name:{width}}{_text(value)}")
    return lines


def _text(value: Any, none: str = "not known") -> str:
    if value is None:
        return none
    if isinstance(value, list | tuple):
        return " ".join(map(_text, value))
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    if isinstance(value, int):
        return f"{value:,}"
    text = str(value)
    return text if text.isprintable() else repr(text)  # names come from files
