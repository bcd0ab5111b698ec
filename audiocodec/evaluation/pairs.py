"""Pairs of reference and degraded files, matched by utterance id, never by sorted position."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.data.lines import table_lines, text_lines
from audiocodec.data.lists import Entry, entry_of, read_entries, read_table
from audiocodec.data.segments import Span
from audiocodec.errors import DataError
from audiocodec.walk import walk


@dataclass(frozen=True)
class PairOfFiles:
    """One utterance of both sides; `problem` is why it cannot be scored, "" if it can."""

    id: str
    reference: Path | None
    degraded: Path | None
    speaker: str
    problem: str = ""
    flag: str = ""
    reference_span: Span | None = None  # where an utterance is a part of its file
    degraded_span: Span | None = None


@dataclass(frozen=True)
class _Side:
    """Files by id; ids are Unicode NFC, since file systems turn names into other forms."""

    entries: dict[str, Entry]
    raw_ids: dict[str, str]  # as they were before they became NFC
    duplicates: frozenset[str]
    speakers: dict[str, str]  # by id, where they are known


def pair_files(reference: str | Path, degraded: str | Path) -> list[PairOfFiles]:
    """All utterances of both sides, sorted by id; those that cannot be scored say why.

    Each side is a data directory, a `wav.scp` of "id path" lines, a folder of audio (the id is the
    path below it without its suffix), another list with one path a line (the id is the file's
    name) or one audio file. If a folder shares no id with the other side, its ids are the names of
    its files without their folders. The speaker is that of the reference's utt2spk, else the first
    folder of a nested folder, else the utterance itself.

    Raises:
        DataError: a side does not exist or has no audio, or no id is on both sides.
    """
    sides = [_read_side(Path(side)) for side in (reference, degraded)]
    if all(Path(side).suffix.lower() in AUDIO_SUFFIXES for side in (reference, degraded)):
        only = next(iter(sides[0].entries))
        return [PairOfFiles(only, Path(reference), Path(degraded), only)]
    if not sides[0].entries.keys() & sides[1].entries.keys():
        sides = [_by_file_name(side) for side in sides]
    if not sides[0].entries.keys() & sides[1].entries.keys():
        examples = " and ".join(repr(min(side.entries)) for side in sides)
        raise DataError(f"{reference}, {degraded}: no id is on both sides, only such as {examples}")
    ids = sorted(sides[0].entries.keys() | sides[1].entries.keys())
    return [_pair(identifier, sides[0], sides[1]) for identifier in ids]


def _pair(identifier: str, reference: _Side, degraded: _Side) -> PairOfFiles:
    entries = [side.entries.get(identifier) for side in (reference, degraded)]
    one, other = (entry or Entry(Path()) for entry in entries)
    problem = flag = ""
    if identifier not in reference.entries:
        problem = "no reference file"
    elif identifier not in degraded.entries:
        problem = "no degraded file"
    elif identifier in reference.duplicates:
        problem = "duplicate id in the reference"
    elif identifier in degraded.duplicates:
        problem = "duplicate id in the degraded"
    elif command := one.command or other.command:
        problem = f"is a command, which evaluation does not run ({command}); write it to a file"
    elif sound := one.sound or other.sound:
        problem = f"is behind a URL, which evaluation does not read ({sound}); copy it to a file"
    elif reference.raw_ids[identifier] != degraded.raw_ids[identifier]:
        flag = "ids differ in their Unicode form"
    return PairOfFiles(
        identifier,
        entries[0] and entries[0].path,
        entries[1] and entries[1].path,
        reference.speakers.get(identifier, identifier),
        problem,
        flag,
        one.span,
        other.span,
    )


def _read_side(path: Path) -> _Side:
    if (path / "wav.scp").is_file():
        spoken = path / "utt2spk"
        return _table(path / "wav.scp", read_table(spoken) if spoken.is_file() else {})
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".scp":
        return _table(path, {})
    if not path.is_file():
        raise DataError(f"{path}: no such folder, list or audio file")
    if path.suffix.lower() in AUDIO_SUFFIXES:
        return _side([(path.stem, Entry(path))])
    return _side((Path(line).stem, Entry(Path(line))) for _, line in text_lines(path))


def _table(path: Path, speakers: dict[str, str]) -> _Side:
    if path.name == "wav.scp" and (path.parent / "segments").exists():
        return _side(read_entries(path).items(), speakers)
    return _side(((key, entry_of(value)) for _, key, value in table_lines(path)), speakers)


def _folder(folder: Path) -> _Side:
    """Hidden files are left out: they are what other systems and unfinished copies leave."""
    found = sorted(walk(folder, AUDIO_SUFFIXES))
    if not found:
        raise DataError(f"{folder}: no {' '.join(AUDIO_SUFFIXES)} file there")
    named = [(path.relative_to(folder).with_suffix("").as_posix(), Entry(path)) for path in found]
    return _side(named, {key: key.partition("/")[0] for key, _ in named})


def _side(named: Iterable[tuple[str, Entry]], speakers: dict[str, str] | None = None) -> _Side:
    pairs = [(unicodedata.normalize("NFC", key), key, entry) for key, entry in named]
    counts = Counter(key for key, _, _ in pairs)
    return _Side(
        {key: entry for key, _, entry in pairs},
        {key: raw for key, raw, _ in pairs},
        frozenset(key for key, count in counts.items() if count > 1),
        {unicodedata.normalize("NFC", key): value for key, value in (speakers or {}).items()},
    )


def _by_file_name(side: _Side) -> _Side:
    names = {key: key.rpartition("/")[2] for key in side.entries}
    counts = Counter(names.values())
    duplicates = {names[key] for key in side.duplicates}
    return replace(
        side,
        entries={name: side.entries[key] for key, name in names.items()},
        raw_ids={name: side.raw_ids[key].rpartition("/")[2] for key, name in names.items()},
        duplicates=frozenset(duplicates | {name for name, n in counts.items() if n > 1}),
        speakers={names[key]: speaker for key, speaker in side.speakers.items() if key in names},
    )
