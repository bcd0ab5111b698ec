"""The JSON that a benchmark prints, as Markdown tables."""

from collections.abc import Iterator, Mapping
from typing import Any

Cells = dict[str, Any]


def environment_line(environment: Mapping[str, Any]) -> str:
    """One sentence on the machine and the versions."""
    versions = environment.get("versions", {})
    known = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    return (
        f"{environment['processor']}, {environment['cores']} cores, {environment['system']}, "
        f"Python {environment['python']}; {known}."
    )


def as_markdown(report: Mapping[str, Any]) -> str:
    """A line of the values that stand alone, then a table for each group."""
    values = {name: value for name, value in report.items() if name != "environment"}
    alone = [f"{_words(k)} {_text(v)}" for k, v in values.items() if not _is_group(v)]
    groups = {name: value for name, value in values.items() if _is_group(value)}
    line = ", ".join(alone)
    return "\n\n".join([*([f"{line[0].upper()}{line[1:]}."] if line else []), *_tables("", groups)])


def _tables(title: str, values: Mapping[str, Any]) -> Iterator[str]:
    groups = {name: value for name, value in values.items() if isinstance(value, Mapping)}
    alone = {name: value for name, value in values.items() if not _is_group(value)}
    if alone:
        yield _heading(title) + _table([_flat(alone)])
    if _alike(list(groups.values())) and (title or len(groups) == len(values) > 1):
        rows = [{"": _words(name), **_flat(group)} for name, group in groups.items()]
        yield ("" if alone else _heading(title)) + _table(rows)
        groups = {}
    for name, group in groups.items():
        yield from _tables(f"{title}: {_words(name)}" if title else _words(name), group)
    for name, rows in values.items():
        if _is_group(rows) and not isinstance(rows, Mapping):
            yield _heading(title or _words(name)) + _table([_flat(row) for row in rows])


def _alike(groups: list[Mapping[str, Any]]) -> bool:
    """Whether the groups can be rows of one table: nothing nested, and a name that all have."""
    if not groups or any(_is_group(value) for group in groups for value in group.values()):
        return False
    return bool(set(groups[0]).intersection(*groups))


def _is_group(value: Any) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
    )


def _flat(row: Mapping[str, Any], prefix: str = "") -> Cells:
    cells: Cells = {}
    for key, value in row.items():
        name = f"{prefix}{_words(key)}"
        if isinstance(value, Mapping):
            cells |= _flat(value, f"{name}: ")
        else:
            cells[name] = value
    return cells


def _table(rows: list[Cells]) -> str:
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    for row in rows:
        lines.append("| " + " | ".join(_text(row.get(column)) for column in columns) + " |")
    return "\n".join(lines)


def _heading(title: str) -> str:
    return f"**{title[0].upper()}{title[1:]}**\n\n" if title else ""


def _words(key: str) -> str:
    return key.replace("_", " ")


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return str(value).replace("|", "\\|")
