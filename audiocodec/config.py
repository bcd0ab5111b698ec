"""Frozen dataclass <-> YAML: strict about keys and types, with `base:` files and `a.b=c` overrides.

A component's configuration is a frozen dataclass written beside the component. A field that may
hold one of several kinds is declared with `one_of(table, default)`; in YAML it is a mapping with a
`kind:` key. `several_of` is the same for a list of them.
"""

import dataclasses
import difflib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from audiocodec.errors import ConfigError, one_line
from audiocodec.registry import Registry, current_kind
from audiocodec.yaml_text import MOST_BYTES, parse_yaml, shown

T = TypeVar("T")


def one_of(table: Registry, default: Any) -> Any:
    """A dataclass field that holds the configuration of one kind of `table`."""
    return dataclasses.field(default=default, metadata={"table": table})


def several_of(table: Registry, default: tuple[Any, ...]) -> Any:
    """A dataclass field that holds a tuple of configurations of kinds of `table`."""
    return dataclasses.field(default=default, metadata={"table": table, "several": True})


def to_dict(config: Any) -> dict[str, Any]:
    """The tree of plain values that `from_dict` reads back; every default is written out."""
    return {
        field.name: _plain(getattr(config, field.name), field.metadata.get("table"))
        for field in dataclasses.fields(config)
    }


def _plain(value: Any, table: Registry | None) -> Any:
    if isinstance(value, tuple):
        return [_plain(item, table) for item in value]
    if dataclasses.is_dataclass(value):
        kind = {} if table is None else {"kind": table.kind_of(value)}
        return {**kind, **to_dict(value)}
    return value


def from_dict(cls: type[T], values: Any, where: str = "") -> T:
    """Build the dataclass `cls` from nested mappings.

    Raises:
        ConfigError: an unknown key (with the nearest known one), a wrong type or a bad value.
    """
    if not isinstance(values, Mapping):
        raise ConfigError(
            f"{where or 'configuration'} is {shown(values)}; give a mapping of options"
        )
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    arguments = {}
    for key, value in values.items():
        path = f"{where}.{key}" if where else str(key)
        if key not in fields:
            raise ConfigError(f"unknown option {shown(path)}{_suggestion(str(key), fields)}")
        arguments[key] = _field_value(fields[key], hints[key], value, path)
    try:
        return cls(**arguments)
    except TypeError as error:
        raise ConfigError(f"{where or cls.__name__}: {error}") from None


def _suggestion(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known options: {', '.join(known)}"


def _field_value(field: "dataclasses.Field[Any]", hint: Any, value: Any, path: str) -> Any:
    table = field.metadata.get("table")
    if table is None:
        return _convert(hint, value, path)
    if not field.metadata.get("several"):
        return _kind(table, value, path)
    if not isinstance(value, list | tuple):
        raise ConfigError(f"{path} is {shown(value)}; give a list of {table.role} options")
    return tuple(_kind(table, item, f"{path}.{index}") for index, item in enumerate(value))


def _kind(table: Registry, value: Any, path: str) -> Any:
    if not isinstance(value, Mapping) or "kind" not in value:
        raise ConfigError(f"{path} needs a 'kind:'; known kinds: {', '.join(table)}")
    kind = value["kind"]
    if not isinstance(kind, str):
        raise ConfigError(f"{path}.kind is {shown(kind)}; known kinds: {', '.join(table)}")
    rest = {key: item for key, item in value.items() if key != "kind"}
    return from_dict(table[kind][0], rest, path)


def _convert(hint: Any, value: Any, path: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and type(None) in typing.get_args(hint):
            return None
        inner = [item for item in typing.get_args(hint) if item is not type(None)]
        return _convert(inner[0], value, path)
    if origin is typing.Literal:
        if value not in typing.get_args(hint):
            choices = ", ".join(map(str, typing.get_args(hint)))
            raise ConfigError(f"{path} is {shown(value)}; choose from {choices}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ConfigError(f"{path} is {shown(value)}; give a list")
        inner_hint = typing.get_args(hint)[0]
        return tuple(_convert(inner_hint, item, f"{path}.{i}") for i, item in enumerate(value))
    if dataclasses.is_dataclass(hint):
        return value if isinstance(value, hint) else from_dict(hint, value, path)  # type: ignore[arg-type]
    return _scalar(hint, value, path)


def _scalar(hint: Any, value: Any, path: str) -> Any:
    if hint is float and isinstance(value, int | str) and not isinstance(value, bool):
        try:  # YAML 1.1 reads 1e-4 as a string
            return float(value)
        except ValueError:
            pass
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise ConfigError(f"{path} is {shown(value)}; it must be of type {hint.__name__}")
    return value


def read_yaml(
    path: str | Path, within: Path | None = None, above: tuple[Path, ...] = ()
) -> dict[str, Any]:
    """The mapping in a YAML file, laid over the file its `base:` names (relative to it).

    Args:
        within: the folder that no file may lie outside of, by links either.
        above: the files that led here.

    Raises:
        ConfigError: no such file, or one that is not such a mapping.
    """
    path = Path(path)
    if path.resolve() in above:
        raise ConfigError(f"{path}: is its own base, in the end; remove a 'base:'")
    if within is not None and not path.resolve().is_relative_to(within.resolve()):
        raise ConfigError(f"{path}: lies outside {within}, which has to be complete in itself")
    values = parse_yaml(_text(path), str(path))
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: the top level must be a mapping of options")
    base = values.pop("base", None)
    if base is None:
        return values
    if not isinstance(base, str) or "\0" in base:
        raise ConfigError(f"{path}: base is {shown(base)}; give the path of one file")
    return merge(read_yaml(path.parent / base, within, (*above, path.resolve())), values)


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path}: not a regular file; give a YAML file")
        if path.stat().st_size > MOST_BYTES:
            raise ConfigError(
                f"{path}: has more than {MOST_BYTES} bytes; it is not a configuration"
            )
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not readable as YAML: {one_line(error)}") from None


def merge(base: dict[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`; mappings are merged, but another `kind:` replaces one."""
    merged = dict(base)
    for key, value in over.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping):
            merged[key] = merge(old, value) if _same_kind(old, value) else dict(value)
        else:
            merged[key] = value
    return merged


def _same_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    kinds = [str(value.get("kind", old.get("kind"))) for value in (old, new)]
    return current_kind(kinds[0]) == current_kind(kinds[1])


def overrides(assignments: Iterable[str]) -> dict[str, Any]:
    """The nested mapping that `a.b=c` strings (the command line's `--set`) describe."""
    tree: dict[str, Any] = {}
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals or not path:
            raise ConfigError(f"--set {assignment!r}: write it as option.name=value")
        value = parse_yaml(text, f"--set {shown(assignment)}")
        for key in reversed(path.split(".")):
            value = {key: value}
        tree = merge(tree, value)
    return tree


def load_config(
    cls: type[T],
    path: str | Path | None,
    assignments: Iterable[str] = (),
    within: Path | None = None,
) -> T:
    """The configuration of class `cls` from a YAML file (or defaults) and `--set` overrides.

    No file is read outside of the folder `within`, if there is one.
    """
    values = {} if path is None else read_yaml(path, within)
    try:
        return from_dict(cls, merge(values, overrides(assignments)))
    except ConfigError as error:
        raise ConfigError(f"{path or 'defaults'}: {error}") from None


def dump_yaml(config: Any) -> str:
    """The configuration as YAML text, fields in the order of the dataclass."""
    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)
