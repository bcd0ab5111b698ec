"""YAML from anybody: bounded in size, depth and what its aliases stand for before it is built."""

import reprlib
from typing import Any

import yaml

from audiocodec.errors import ConfigError, one_line

MOST_BYTES = 1 << 17  # of a file; ours have some thousand
_MOST_DEPTH, _MOST_NODES = 30, 20_000
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_SHORT = reprlib.Repr()
_SHORT.maxlevel, _SHORT.maxstring, _SHORT.maxother = 2, 80, 80


def shown(value: object) -> str:
    """A value as messages show it, however large it is."""
    return " ".join(_SHORT.repr(value).split())


def parse_yaml(text: str, where: str) -> Any:
    """The values of one YAML document, plain ones only.

    Raises:
        ConfigError: no YAML, nested deeply or larger than a configuration ever is.
    """
    try:
        _bound(text, where)
        return yaml.load(text, Loader=_LOADER)
    except (yaml.YAMLError, ValueError, RecursionError, OverflowError) as error:
        if isinstance(error, ConfigError):
            raise
        reason = one_line(error)[:300]  # ValueError: a date or a number that cannot be
        raise ConfigError(f"{where}: not readable as YAML: {reason}") from None


def _bound(text: str, where: str) -> None:
    """Count nodes, those behind aliases as often as they are meant, without building any.

    A few lines of aliases of aliases stand for more values than memory holds.
    """
    sizes: dict[str | None, int] = {}  # of what has an anchor
    open_nodes: list[tuple[str | None, int]] = []  # the anchors around, and the count before each
    count = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in {anchor for anchor, _ in open_nodes}:
                raise ConfigError(f"{where}: *{event.anchor} is a part of itself")
            count += sizes.get(event.anchor, 1)
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            sizes |= {event.anchor: 1} if event.anchor else {}
        elif isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_nodes.pop()
            sizes |= {anchor: count - before} if anchor else {}
        if len(open_nodes) > _MOST_DEPTH:
            raise ConfigError(f"{where}: nested more than {_MOST_DEPTH} deep; no options are")
        if count > _MOST_NODES:
            raise ConfigError(f"{where}: stands for more than {_MOST_NODES} values; no options do")
