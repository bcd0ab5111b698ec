"""Which output belongs to which input: files, folders, `*.scp` lists and `-` in any mixture."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from audiocodec.codes import Coded, read_codes, read_codes_from
from audiocodec.data.data_dir import read_scp
from audiocodec.entropy.model import EntropyTables
from audiocodec.errors import ConfigError

STANDARD = "-"  # as an input stdin, as an output stdout


@dataclass(frozen=True)
class Item:
    """One input and its output; `name` is its id in a list, `problem` what is wrong with it."""

    name: str
    source: Path
    target: Path
    problem: str | None = None


@dataclass
class Plan:
    """What to do: the items, the list to write beside them, and whether one failure is all."""

    items: list[Item] = field(default_factory=list)
    list_path: Path | None = None
    single: bool = False


def plan(
    inputs: Sequence[str], output: str, source_suffixes: Sequence[str], suffix: str, list_name: str
) -> Plan:
    """Pair every input with its output.

    Args:
        source_suffixes: of the files to take from a folder, whose tree is kept.
        suffix: of the outputs.
        list_name: of the list that is written when an input is a list.

    Raises:
        ConfigError: two inputs with one output, an output over an input, nothing to do.
    """
    if len(inputs) == 1 and not Path(inputs[0]).is_dir() and not inputs[0].endswith(".scp"):
        return Plan([_single(inputs[0], output, suffix)], single=True)
    if STANDARD in inputs or output == STANDARD or Path(output).is_file():
        raise ConfigError(f"several inputs need a folder as output, and none may be {STANDARD}")
    result = Plan()
    for given in inputs:
        for name, source in found(given, source_suffixes):
            unsafe = {"", ".", ".."} & set(name.split("/"))  # an id is no way out of the folder
            problem = f"id {name!r} of {given} cannot name a file" if unsafe else None
            target = Path(output) / f"{name}{suffix}"
            result.items.append(Item(name, source, target, problem))
        if given.endswith(".scp"):
            result.list_path = Path(output) / list_name
    if not result.items:
        raise ConfigError(f"{', '.join(inputs)}: no {' '.join(source_suffixes)} file there")
    _refuse_collisions(result.items)
    return result


def found(given: str, suffixes: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The files that a list, a folder or a path stands for, each with its id.

    Args:
        suffixes: of the files to take from a folder; their ids are their paths in it.
    """
    path = Path(given)
    if given.endswith(".scp"):
        yield from read_scp(path).items()
    elif not path.is_dir():
        yield path.stem, path
    for parent, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):  # hidden files are other programs' unfinished ones
            source = Path(parent) / name
            if source.suffix.lower() in suffixes and not name.startswith("."):
                yield str(source.relative_to(path).with_suffix("")), source


def _single(name: str, output: str, suffix: str) -> Item:
    source, target = Path(name), Path(output)
    if output.endswith(os.sep) or target.is_dir():
        stem = "stdin" if name == STANDARD else source.stem
        target = target / (stem + suffix)
    if target == source and output != STANDARD:
        raise ConfigError(f"{name}: input and output are the same file")
    return Item(source.stem, source, target)


def _refuse_collisions(items: Sequence[Item]) -> None:
    sources = {os.path.abspath(item.source) for item in items}
    taken: dict[str, Item] = {}
    for item in items:
        target = os.path.abspath(item.target)
        other = taken.setdefault(target, item)
        if other is not item:
            raise ConfigError(
                f"{other.source} and {item.source} would both become {item.target}; "
                "rename one, or give them different output folders"
            )
        if target in sources:
            raise ConfigError(f"{item.target} is an input and would be overwritten")


@contextlib.contextmanager
def input_file(source: Path) -> Iterator[Path | IO[bytes]]:
    """`source`, or a nameless copy of stdin if it is `-`: audio readers need to seek."""
    if str(source) != STANDARD:
        yield source
        return
    with tempfile.TemporaryFile() as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield file


def input_codes(source: Path, tables: EntropyTables | None) -> Coded:
    """The codes of `source`, or of stdin if it is `-`."""
    if str(source) == STANDARD:
        return read_codes_from(sys.stdin.buffer, "stdin", tables)
    return read_codes(source, tables)


@contextlib.contextmanager
def output_file(target: Path, suffix: str) -> Iterator[Path]:
    """`target`, or a temporary file that is copied to stdout in the end if it is `-`."""
    if str(target) != STANDARD:
        yield target
        return
    with tempfile.TemporaryDirectory(prefix="codec-") as folder:
        path = Path(folder) / f"stdout{suffix}"
        yield path
        with open(path, "rb") as file:
            shutil.copyfileobj(file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
