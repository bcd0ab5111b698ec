"""The rows of shards as inputs of a run."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from audiocodec.codes import CodesMetadata
from audiocodec.containers.shard_files import SHARD_SUFFIXES, open_shard
from audiocodec.errors import CodeFileError, ConfigError
from audiocodec.files import can_name
from audiocodec.pipeline.paths import Item, Plan

Check = Callable[[CodesMetadata, str], None]


def with_rows(todo: Plan, suffix: str, check: Check = lambda *_: None) -> Plan:
    """The plan with the rows of every shard, named by their ids, in the place of the shard.

    Args:
        suffix: of the outputs.
        check: raises CodeFileError for the metadata of a shard that is not to be read.

    Raises:
        CodeFileError: the only input is a shard that cannot be read.
        ConfigError: nothing to do.
    """
    if todo.single or not any(map(_is_shard, todo.items)):
        return todo
    items: list[Item] = []
    taken = {item.target for item in todo.items}
    for item in todo.items:
        if item.problem or not _is_shard(item):
            items.append(item)
            continue
        try:
            for row in _rows(item, suffix, check):
                twice = row.target in taken and f"id {row.name!r} comes twice ({row.target})"
                items.append(replace(row, problem=row.problem or twice or None))
                if not row.problem:
                    taken.add(row.target)
        except CodeFileError as error:
            if len(todo.items) == 1:
                raise
            items.append(replace(item, problem=str(error)))
    if not items:
        raise ConfigError(f"{todo.items[0].source}: has no rows")
    return replace(todo, items=items)


def _is_shard(item: Item) -> bool:
    return item.source.suffix.lower() in SHARD_SUFFIXES


def _rows(shard: Item, suffix: str, check: Check) -> Iterator[Item]:
    """The rows of a shard whose target is the folder for all of them."""
    opened = open_shard(shard.source)
    try:
        if not opened.mixed and any(row.problem is None for row in opened.rows):
            check(opened.metadata, str(shard.source))
        for index, row in enumerate(opened.rows):
            unsafe = None if can_name(row.id) else f"id {row.id!r} cannot name a file"
            problem = row.problem or unsafe
            target = shard.target / f"{row.id}{suffix}"
            yield Item(row.id, shard.source, target, _at(shard.source, problem), row=index)
        if opened.problem:
            yield replace(shard, problem=_at(shard.source, opened.problem))
    finally:
        opened.close()


def _at(source: Path, problem: str | None) -> str | None:
    return None if problem is None else f"{source}: {problem}"
