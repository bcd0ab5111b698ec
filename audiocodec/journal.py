"""Finished work on disk, line by line: what a killed run has done is not done again."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from filelock import FileLock, Timeout

from audiocodec.errors import DataError
from audiocodec.files import archive_of


class Journal(Mapping[str, Any]):
    """Results by key in a file of JSON lines; a result is on disk when `add` returns, and only its
    place in the file is kept in memory.

    Use it in a `with` block, which keeps other processes out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path.with_suffix(".lock"))
        self._places: dict[str, int] = {}  # offsets of lines

    def __enter__(self) -> "Journal":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DataError(f"{self.path.parent}: another process is writing there") from None
        self._file = open(self.path, "a+b")  # writes go to the end, wherever reads have been
        self._places = _read(self._file)
        self._end = self._file.seek(0, os.SEEK_END)
        if self._end:
            self._end += self._file.write(b"\n")  # ends the line that a killed run was writing
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._lock.release()

    def add(self, key: str, result: Any) -> None:
        """Keep a result; it replaces a former one of this key."""
        line = json.dumps({"key": key, "result": result}).encode() + b"\n"
        self._file.write(line)
        self._file.flush()
        self._places[key] = self._end
        self._end += len(line)

    def __getitem__(self, key: str) -> Any:
        self._file.seek(self._places[key])
        return json.loads(self._file.readline())["result"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, key: object) -> bool:
        return key in self._places


def _read(file: BinaryIO) -> dict[str, int]:
    """Where in a journal the newest line of each key starts."""
    places: dict[str, int] = {}
    place = file.seek(0)
    for line in file:
        try:
            entry = json.loads(line)
            if "result" in entry:
                places[entry["key"]] = place
        except (ValueError, TypeError, KeyError):
            pass  # an empty line, or the one that was being written when the run died
        place += len(line)
    return places


def key_of(*parts: object) -> str:
    """A key that changes with any part; of a path with the size and time of its file, too."""
    words = []
    for part in parts:
        words.append(repr(str(part)))
        archive = archive_of(part) if isinstance(part, Path) else None
        file = archive[0] if archive else part
        if isinstance(file, Path) and file.exists():
            status = file.stat()
            words.append(f"{status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256(" ".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:24]
