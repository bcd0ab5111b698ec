"""Kaldi data directories: sorted text files of "id value" lines, one utterance a line."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiocodec.errors import DataError
from audiocodec.files import atomic_path


@dataclass(frozen=True)
class Utterance:
    """One recording; `num_samples` and `sample_rate` are the file's own."""

    id: str
    path: Path
    speaker: str
    num_samples: int
    sample_rate: int | None = None


def table_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, id and value (up to the end of the line, "" if absent) of each line of a file.

    Raises:
        DataError: the file is missing or no UTF-8 text.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text at byte {error.start}; convert it") from None
    for number, line in enumerate(lines, 1):
        if line.strip():
            key, *value = re.split("[ \t]", line, maxsplit=1)
            yield number, key, value[0] if value else ""


def read_table(path: Path) -> dict[str, str]:
    """The lines "id rest of the line" of a file, in order.

    Raises:
        DataError: the file is missing, a line has no value or an id comes twice.
    """
    table: dict[str, str] = {}
    for number, key, value in table_lines(path):
        if not value:
            raise DataError(f"{path}, line {number}: {key!r} has no value; write 'id value'")
        if key in table:
            raise DataError(f"{path}, line {number}: {key!r} comes twice; ids must be unique")
        table[key] = value
    return table


def read_scp(path: Path) -> dict[str, Path]:
    """The paths of a `wav.scp`."""
    return {key: Path(value) for key, value in read_table(Path(path)).items()}


def read_data_dir(folder: str | Path) -> list[Utterance]:
    """The utterances of a data directory, in the order of its wav.scp.

    Raises:
        DataError: a table is missing, malformed or lacks an utterance.
    """
    folder = Path(folder)
    paths = read_table(folder / "wav.scp")
    speakers = read_table(folder / "utt2spk")
    lengths = read_table(folder / "utt2num_samples")
    rates = read_table(folder / "utt2sr") if (folder / "utt2sr").exists() else {}
    for name, table in (("utt2spk", speakers), ("utt2num_samples", lengths)):
        missing = paths.keys() - table.keys()
        if missing:
            raise DataError(f"{folder / name}: no line for {min(missing)!r} of wav.scp")
    return [
        Utterance(
            key,
            Path(path),
            speakers[key],
            _count(lengths, key, folder / "utt2num_samples"),
            _count(rates, key, folder / "utt2sr") if key in rates else None,
        )
        for key, path in paths.items()
    ]


def _count(table: dict[str, str], key: str, path: Path) -> int:
    value = table[key].strip()
    if not value.isdecimal():
        raise DataError(f"{path}: {key!r} has {value!r}; give a whole number")
    return int(value)


def write_data_dir(folder: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write a data directory, sorted by id.

    Raises:
        DataError: an id comes twice, or an id, speaker or path would not be read back as it is.
        CodecError: the folder cannot be written.
    """
    folder = Path(folder)
    rows = sorted(utterances, key=lambda utterance: utterance.id)
    _refuse_unwritable(rows, folder)
    by_speaker = defaultdict(list)
    for row in rows:
        by_speaker[row.speaker].append(row.id)
    tables = {
        "wav.scp": [f"{row.id} {row.path}" for row in rows],
        "utt2spk": [f"{row.id} {row.speaker}" for row in rows],
        "spk2utt": [f"{speaker} {' '.join(ids)}" for speaker, ids in sorted(by_speaker.items())],
        "utt2num_samples": [f"{row.id} {row.num_samples}" for row in rows],
        "utt2sr": [f"{row.id} {row.sample_rate}" for row in rows if row.sample_rate],
    }
    for name, lines in tables.items():
        with atomic_path(folder / name) as temporary:
            temporary.write_text("".join(line + "\n" for line in lines), encoding="utf-8")


def _refuse_unwritable(rows: Sequence[Utterance], folder: Path) -> None:
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        if after is not None and row.id == after.id:
            raise DataError(f"{folder}: the id {row.id!r} comes twice ({row.path}, {after.path})")
        for word in (row.id, row.speaker):
            if not word or re.search(r"\s", word):
                raise DataError(f"{folder}: {word!r} ({row.path}): ids and speakers have no blanks")
        if re.search(r"[\n\r]", str(row.path)):
            raise DataError(
                f"{folder}: the path {str(row.path)!r} has a line break; rename the file"
            )
