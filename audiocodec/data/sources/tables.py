"""Audio in tables: Parquet with an audio column, Hugging Face `datasets` as saved to disk.

An audio column holds the bytes of sound files, or structures of `bytes` and `path` as Hugging Face
writes them, or of `array` and `sampling_rate`.
"""

import contextlib
import threading
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.audio import wav_bytes
from audiocodec.containers.shards import import_pyarrow
from audiocodec.data import stores
from audiocodec.data.lists import Entry
from audiocodec.data.stored import StoredSound
from audiocodec.errors import AudioError, DataError, one_line

_IDS = ("id", "utt_id", "utterance_id", "utt", "key", "__key__", "segment_id", "file_id")
_SPEAKERS = ("speaker", "speaker_id", "spk", "spk_id", "client_id")
_TEXTS = ("text", "transcript", "transcription", "sentence", "normalized_text")
_AUDIO = ("audio", "wav", "flac", "mp3", "opus", "sound", "speech")
_MOST_KEPT = 2  # pieces of tables in memory


@dataclass(frozen=True)
class TableRow(StoredSound):
    """The audio of `row` of a `piece` of a table: what is read into memory at once."""

    table: str
    column: str
    piece: int
    row: int
    name: str  # for messages

    def __str__(self) -> str:
        return f"{self.table}#{self.name}"

    @property
    def container(self) -> str:
        return self.table

    @abstractmethod
    def load(self) -> Any:
        """The audio column of the piece."""

    def read(self) -> bytes:
        try:
            value = _PIECES.get(self)[self.row].as_py()
        except DataError as error:
            raise AudioError(str(error)) from None
        data = _sound_bytes(value, self.table)
        if data is None:
            raise AudioError(f"{self}: the row has no audio")
        return data


@dataclass(frozen=True)
class ParquetRow(TableRow):
    """A row of a Parquet file, whose pieces are its row groups."""

    def load(self) -> Any:
        with _parquet(self.table) as file:
            return file.read_row_group(self.piece, columns=[self.column])[self.column]


@dataclass(frozen=True)
class ArrowRow(TableRow):
    """A row of an Arrow file, which is one piece."""

    def load(self) -> Any:
        return _arrow_table(self.table)[self.column]


class _Pieces:
    """The last few pieces of tables, for all threads: rows are read in about their order."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.kept: OrderedDict[tuple[str, int], Any] = OrderedDict()

    def get(self, row: TableRow) -> Any:
        key = (row.table, row.piece)
        with self.lock:
            if key not in self.kept:
                self.kept[key] = row.load()
            self.kept.move_to_end(key)
            while len(self.kept) > _MOST_KEPT:
                self.kept.popitem(last=False)
            return self.kept[key]


_PIECES = _Pieces()


def parquet_entries(table: str) -> Iterator[tuple[str, Entry]]:
    """The utterances of a Parquet file.

    Raises:
        MissingPackage: pyarrow is not installed.
        DataError: missing, no Parquet file, or without audio.
    """
    with _parquet(table) as file:
        layout = _Layout(table, file.schema_arrow)
        first = 0
        for group in range(file.num_row_groups):
            rows = layout.rows(file.read_row_group(group, columns=layout.columns), first)
            for index, (name, said) in enumerate(rows):
                sound = ParquetRow(table, layout.audio, group, index, name)
                yield name, Entry(Path(table), sound=sound, **said)
            first += file.metadata.row_group(group).num_rows


def dataset_entries(folder: str) -> Iterator[tuple[str, Entry]]:
    """The utterances of a folder that `datasets` wrote with `save_to_disk`: of all its splits,
    whose names then begin the ids.

    Raises:
        DataError: no Arrow file in it, or without audio.
    """
    names = sorted(stores.names_in(folder))
    if "dataset_dict.json" in names:
        for split in names:
            if stores.is_file(stores.join(folder, split, "state.json")):
                for name, entry in dataset_entries(stores.join(folder, split)):
                    yield f"{split}/{name}", entry
        return
    files = [stores.join(folder, name) for name in names if name.endswith(".arrow")]
    if not files:
        raise DataError(f"{folder}: no .arrow file of a dataset there")
    first = 0
    for path in files:
        table = _arrow_table(path)
        layout = _Layout(path, table.schema)
        for index, (name, said) in enumerate(layout.rows(table.select(layout.columns), first)):
            sound = ArrowRow(path, layout.audio, 0, index, name)
            yield name, Entry(Path(path), sound=sound, **said)
        first += table.num_rows


def is_dataset(folder: str) -> bool:
    """Whether `datasets` has saved something to this folder."""
    return any(
        stores.is_file(stores.join(folder, name)) for name in ("dataset_dict.json", "state.json")
    )


@contextlib.contextmanager
def _parquet(table: str) -> Iterator[Any]:
    _, parquet = import_pyarrow()
    with contextlib.ExitStack() as stack:
        if stores.is_url(table):
            store, path = stack.enter_context(stores.store_of(table))
            source = stack.enter_context(store.open(path, "rb"))
        else:
            source = stores.local_path(table)
        try:
            yield stack.enter_context(parquet.ParquetFile(source))
        except (OSError, ValueError, NotImplementedError) as error:
            if isinstance(error, (DataError, *stores.UNREACHABLE)):
                raise
            raise DataError(f"{table}: damaged, or no Parquet file: {one_line(error)}") from None


def _arrow_table(path: str) -> Any:
    arrow, _ = import_pyarrow()
    try:
        if stores.is_url(path):
            return arrow.ipc.open_stream(stores.read_bytes(path)).read_all()
        with arrow.memory_map(str(stores.local_path(path))) as source:
            return arrow.ipc.open_stream(source).read_all()
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{path}: damaged, or no Arrow stream: {one_line(error)}") from None


class _Layout:
    """Which columns of a table hold what."""

    def __init__(self, table: str, schema: Any) -> None:
        self.table = table
        self.audio = _audio_column(table, schema)
        self.id = _first(_IDS, schema)
        self.speaker, self.text = _first(_SPEAKERS, schema), _first(_TEXTS, schema)
        self.seconds = _first(("duration", "seconds"), schema)
        self.num_samples, self.sample_rate = (
            _first((name,), schema) for name in ("num_samples", "sample_rate")
        )
        self.path = None if self.id else _path_of(self.audio, schema)
        columns = [self.id, self.speaker, self.text, self.seconds, self.path]
        columns += [self.num_samples, self.sample_rate]
        self.columns = [name for name in columns if name]

    def rows(self, table: Any, first: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Id of each row and what it says, as fields of `Entry`; the first one has the number
        `first`.
        """
        count = table.num_rows
        names = _texts(table, self.id or self.path, count)
        columns = {
            "speaker": _texts(table, self.speaker, count),
            "text": _texts(table, self.text, count),
            "seconds": _numbers(table, self.seconds, count, float),
            "num_samples": _numbers(table, self.num_samples, count, int),
            "sample_rate": _numbers(table, self.sample_rate, count, int),
        }
        taken: set[str] = set()
        for index, name in enumerate(names):
            if self.path and name:
                name = stores.stem(name)
            if not name or (self.path and name in taken):
                name = f"{stores.stem(self.table)}-{first + index:09d}"
            taken.add(name)
            yield name, {field: values[index] for field, values in columns.items()}


def _audio_column(table: str, schema: Any) -> str:
    kinds = {field.name: _is_audio(field.type) for field in schema}
    named = [name for name in _AUDIO if kinds.get(name)]
    columns = named or [name for name, fits in kinds.items() if fits]
    if not named and len(columns) != 1:
        what = f"several that may be ({', '.join(columns)})" if columns else "none"
        raise DataError(
            f"{table}: no column of audio: {what} among {', '.join(schema.names)}; it is called "
            "audio and has the bytes of sound files, or bytes and path, or array and sampling_rate"
        )
    return columns[0]


def _is_audio(kind: Any) -> bool:
    arrow, _ = import_pyarrow()
    types = arrow.types
    if types.is_struct(kind):
        fields = {kind.field(i).name for i in range(kind.num_fields)}
        return "bytes" in fields or {"array", "sampling_rate"} <= fields
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _first(names: tuple[str, ...], schema: Any) -> str | None:
    return next((name for name in names if name in schema.names), None)


def _path_of(audio: str, schema: Any) -> str | None:
    kind = schema.field(audio).type
    arrow, _ = import_pyarrow()
    inside = arrow.types.is_struct(kind) and any(
        kind.field(i).name == "path" for i in range(kind.num_fields)
    )
    return f"{audio}.path" if inside else _first(("path", "file", "file_name"), schema)


def _texts(table: Any, column: str | None, count: int) -> list[str | None]:
    values = _values(table, column, count)
    return [None if value is None else str(value) for value in values]


def _numbers(table: Any, column: str | None, count: int, kind: Any) -> list[Any]:
    values = _values(table, column, count)
    return [value if isinstance(value, kind) and value > 0 else None for value in values]


def _values(table: Any, column: str | None, count: int) -> list[Any]:
    """A column, or a field of a structure; without one nothing for each of `count` rows."""
    if column is None:
        return [None] * count
    if column in table.column_names:
        return list(table.column(column).to_pylist())
    column, field = column.rsplit(".", 1)
    return [value and value.get(field) for value in table.column(column).to_pylist()]


def _sound_bytes(value: Any, table: str) -> bytes | None:
    if not isinstance(value, dict):
        return value
    if (data := value.get("bytes")) is not None:
        return bytes(data)
    if value.get("array") is not None:
        array = np.asarray(value["array"], dtype=np.float32)
        return wav_bytes(array, int(value["sampling_rate"]))
    if path := value.get("path"):
        absolute = stores.is_url(path) or Path(path).is_absolute()
        return stores.read_bytes(path if absolute else stores.beside(table, path))
    return None
