"""Which output belongs to which input: files, folders, `*.scp` lists and `-` in any mixture."""

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import IO

from audiocodec.codes import Coded, read_codes, read_codes_from
from audiocodec.data.commands import run_command
from audiocodec.data.lists import Entry, read_entries
from audiocodec.data.segments import Span
from audiocodec.data.sources import kinds
from audiocodec.data.stored import StoredFile, StoredSound
from audiocodec.data.stores import is_url, local_path
from audiocodec.entropy.model import EntropyTables
from audiocodec.errors import AudioError, ConfigError, DataError
from audiocodec.files import archive_of, can_name, same_file_key
from audiocodec.soundfiles.sources import Source
from audiocodec.walk import walk

STANDARD = "-"  # as an input stdin, as an output stdout


@dataclass(frozen=True)
class Item:
    """One input and its output; `name` is its id in a list, `problem` what is wrong with it.

    The input is a file, the `span` or `row` of one, what a shell `command` prints, or a `sound`
    that is no local file. `speaker`, `text` and `seconds` are what its source says of it.
    """

    name: str
    source: Path
    target: Path
    problem: str | None = None
    span: Span | None = None
    command: str | None = None
    named: bool = False  # on the command line, alone
    row: int | None = None  # of a shard
    sound: StoredSound | None = None
    speaker: str | None = None
    text: str | None = None
    seconds: float | None = None
    origin: str | None = None  # as shards name the input

    @property
    def where(self) -> str:
        """What messages and manifests call the input."""
        return str(self.sound or self.source)


@dataclass
class Plan:
    """What to do: the items, the list to write beside them, and whether one failure is all."""

    items: list[Item] = field(default_factory=list)
    list_path: Path | None = None
    single: bool = False


def plan(
    inputs: Sequence[str],
    output: str,
    source_suffixes: Sequence[str],
    suffix: str,
    list_name: str,
    shard_suffixes: Sequence[str] = (),
    listing: "Listing | None" = None,
) -> Plan:
    """Pair every input with its output.

    Args:
        source_suffixes: of the files to take from a folder, whose tree is kept.
        suffix: of the outputs.
        list_name: of the list that is written when an input is a list.
        shard_suffixes: of files with several outputs each; the folder is their target.
        listing: what inputs stand for; files, unless it says otherwise.

    Raises:
        ConfigError: two inputs with one output, an output over an input, nothing to do.
    """
    listing = listing or FILES
    files = [name for name in inputs if not listing.holds_many(name)]
    shards = [name for name in files if Path(name).suffix.lower() in shard_suffixes]
    if len(inputs) == len(files) == 1 and not shards:
        return Plan([_single(inputs[0], output, suffix)], single=True)
    if shards and (output == STANDARD or Path(output).suffix == suffix or Path(output).is_file()):
        raise ConfigError(f"{shards[0]}: holds several utterances; give a folder, not {output}")
    if STANDARD in inputs or output == STANDARD or Path(output).is_file():
        raise ConfigError(f"several inputs need a folder as output, and none may be {STANDARD}")
    result = Plan()
    for given in inputs:
        for name, entry in listing.entries(given, (*source_suffixes, *shard_suffixes)):
            problem = None if can_name(name) else f"id {name!r} of {given} cannot name a file"
            is_shard = entry.path.suffix.lower() in shard_suffixes
            target = Path(output) / ("" if is_shard else f"{name}{suffix}")
            result.items.append(item_of(name, entry, target, problem))
        if kinds.is_list(given):
            result.list_path = Path(output) / list_name
    if not result.items:
        suffixes = " ".join((*source_suffixes, *shard_suffixes))
        raise ConfigError(f"{', '.join(inputs)}: no {suffixes} file there")
    _refuse_collisions([item for item in result.items if item.target != Path(output)])
    return result


def item_of(name: str, entry: Entry, target: Path, problem: str | None = None) -> Item:
    """The item of an entry of a list."""
    return Item(
        name,
        entry.path,
        target,
        problem or entry.problem,
        entry.span,
        entry.command,
        sound=entry.sound,
        speaker=entry.speaker,
        text=entry.text,
        seconds=entry.seconds,
    )


def require_suffix(todo: Plan, suffixes: Sequence[str], rule: str) -> None:
    """Raises ConfigError if a single output is a file whose suffix names none of the formats."""
    for item in todo.items if todo.single else ():
        if str(item.target) != STANDARD and item.target.suffix.lower() not in suffixes:
            there = item.source.exists() or archive_of(item.source) or item.sound
            if not there and str(item.source) != STANDARD:
                raise ConfigError(f"{item.source}: no such file or folder")
            raise ConfigError(f"{item.target}: {rule} {', '.join(suffixes)}")


def found(given: str, suffixes: Sequence[str]) -> Iterator[tuple[str, Path]]:
    """The whole files that a list, a folder or a path stands for, each with its id.

    Raises:
        DataError: an entry of a list is a part of a file or a command.
    """
    for name, entry in entries(given, suffixes):
        if entry.span or entry.command or entry.sound:
            kind = "part of a file (segments)" if entry.span else "command"
            kind = "URL" if entry.sound else kind
            raise DataError(f"{given}: {name!r} is a {kind}; this takes whole files")
        yield name, entry.path


def entries(given: str, suffixes: Sequence[str]) -> Iterator[tuple[str, Entry]]:
    """What a list, a data directory, a folder or a path stands for, each with its id.

    Args:
        suffixes: of the files to take from a folder; their ids are their paths in it.
    """
    path = Path(given)
    if (listed := list_of(given)) is not None:
        yield from read_entries(listed).items()
        return
    if not path.is_dir():
        yield path.stem, Entry(path)
        return
    for source in walk(path, suffixes):
        yield source.relative_to(path).with_suffix("").as_posix(), Entry(source)


def list_of(given: str) -> Path | None:
    """The list that is meant: a `*.scp` file, or that of a data directory."""
    path = Path(given)
    if given.endswith(".scp"):
        return path
    is_data = any((path / name).is_file() for name in ("utt2spk", "segments"))
    return path / "wav.scp" if is_data and (path / "wav.scp").is_file() else None


@dataclass(frozen=True)
class Listing:
    """Which utterances inputs stand for.

    holds_many: whether an input stands for several by its kind. entries: its utterances, each with
    its id, given the suffixes of the files to take from a folder.
    """

    holds_many: Callable[[str], bool]
    entries: Callable[[str, Sequence[str]], Iterator[tuple[str, Entry]]]


def _is_folder_or_list(given: str) -> bool:
    return Path(given).is_dir() or list_of(given) is not None


FILES = Listing(_is_folder_or_list, entries)
SOUNDS = Listing(kinds.holds_many, kinds.source_entries)


def _single(name: str, output: str, suffix: str) -> Item:
    sound = StoredFile(name) if is_url(name) else None
    source, target = Path(name) if sound else local_path(name), Path(output)
    if output.endswith((os.sep, os.altsep or os.sep)) or target.is_dir():
        stem = "stdin" if name == STANDARD else source.stem
        target = target / (stem + suffix)
    if target == source and output != STANDARD:
        raise ConfigError(f"{name}: input and output are the same file")
    return Item(source.stem, source, target, named=sound is None, sound=sound)


def _refuse_collisions(items: Sequence[Item]) -> None:
    sources = {same_file_key(item.source) for item in items}
    taken: dict[str, Item] = {}
    for item in items:
        target = same_file_key(item.target)
        other = taken.setdefault(target, item)
        if other is not item:
            raise ConfigError(
                f"{other.source} and {item.source} would both become {item.target}; "
                "rename one, or give them different output folders"
            )
        if target in sources:
            raise ConfigError(f"{item.target} is an input and would be overwritten")


@contextlib.contextmanager
def input_file(item: Item, stopped: Event | None = None) -> Iterator[Source]:
    """The file of `item`, or a nameless copy of what comes from stdin, a pipe or a command: audio
    readers need to seek. A command is ended when `stopped` is set.
    """
    if item.sound is not None:
        yield item.sound.source()
        return
    if str(item.source) != STANDARD and item.command is None and not _is_piped(item):
        yield item.source
        return
    with contextlib.ExitStack() as stack:
        try:
            file = stack.enter_context(tempfile.TemporaryFile())
            _copy(item, file, stopped)
        except OSError as error:
            name = "standard input" if str(item.source) == STANDARD else item.source
            raise AudioError(
                f"{name}: cannot be copied to {tempfile.gettempdir()}: {error.strerror or error}; "
                "set TMPDIR to a folder with room"
            ) from error
        yield file


def _copy(item: Item, file: IO[bytes], stopped: Event | None) -> None:
    """Everything that stdin, a pipe or a command gives, into `file`."""
    if item.command is not None:
        run_command(item.command, file, stopped)
    elif str(item.source) == STANDARD:
        shutil.copyfileobj(sys.stdin.buffer, file)
    else:
        with open(item.source, "rb") as pipe:
            shutil.copyfileobj(pipe, file)
    file.flush()


def _is_piped(item: Item) -> bool:
    """Whether an input that was named itself is a pipe; those in folders and lists are refused,
    since nobody may ever write to them.
    """
    named = item.named or str(item.source).startswith(("/dev/fd/", "/proc/self/fd/"))
    return named and item.source.is_fifo()


def input_codes(item: Item, tables: EntropyTables | None) -> Coded:
    """The codes of a file or pipe, or of stdin if the source is `-`."""
    if str(item.source) == STANDARD:
        return read_codes_from(sys.stdin.buffer, "stdin", tables)
    if _is_piped(item):
        with open(item.source, "rb") as pipe:
            return read_codes_from(pipe, str(item.source), tables)
    return read_codes(item.source, tables)


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
