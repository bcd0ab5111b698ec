"""Finished work on disk, line by line: what a killed run has done is not done again."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from audiocodec.errors import DataError


class Journal(Mapping[str, Any]):
    """Results by key in a file of JSON lines; a result is on disk when `add` returns.

    Use it in a `with` block, which keeps other processes out.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path.with_suffix(".lock"))
        self._results: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise DataError(f"{self.path.parent}: another process is writing there") from None
        self._results = _read(self.path)
        self._file = open(self.path, "a", encoding="utf-8")
        if self._file.tell():
            self._file.write("\n")  # ends the line that a killed run was writing
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
        self._results[key] = result
        self._file.write(json.dumps({"key": key, "result": result}) + "\n")
        self._file.flush()

    def __getitem__(self, key: str) -> Any:
        return self._results[key]

    def __iter__(self) -> Any:
        return iter(self._results)

    def __len__(self) -> int:
        return len(self._results)


def _read(path: Path) -> dict[str, Any]:
    results: dict[str, Any] = {}
    if path.exists():
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                try:
                    entry = json.loads(line)
                    results[entry["key"]] = entry["result"]
                except (json.JSONDecodeError, TypeError, KeyError):
                    continue  # an empty line, or the one that was being written when the run died
    return results


def key_of(*parts: object) -> str:
    """A key that changes with any part; of a path with the size and time of its file, too."""
    words = []
    for part in parts:
        words.append(repr(str(part)))
        if isinstance(part, Path) and part.exists():
            status = part.stat()
            words.append(f"{status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256(" ".join(words).encode("utf-8", "surrogateescape")).hexdigest()[:24]
