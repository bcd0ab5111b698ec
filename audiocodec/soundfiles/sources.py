"""Where audio comes from: a path, an open binary file, which is taken for standard input, or a
sound file that lies inside of another file.
"""

import os
import stat
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import IO

from audiocodec.errors import AudioError
from audiocodec.files import archive_of

_HEAD = 4096  # bytes that hold the whole header of most files
# A named pipe would wait for a writer. Windows has no such pipes, but files that are text.
_FLAGS = os.O_RDONLY
for _name in ("O_CLOEXEC", "O_NONBLOCK", "O_BINARY", "O_NOINHERIT"):
    _FLAGS |= getattr(os, _name, 0)
_SEEKING = Lock()  # of threads that share a position


class View(ABC):
    """Random access to the bytes of a sound file.

    Attributes:
        size: in bytes; head: the first of them.
    """

    __slots__ = ("head", "size")
    head: bytes
    size: int

    @abstractmethod
    def read(self, start: int, count: int) -> bytes:
        """Up to `count` bytes from `start` on; fewer at the end of the file."""

    @abstractmethod
    def close(self) -> None:
        """Give the file back; once."""


class FileView(View):
    """Of an open file, whose position stays where it is.

    Raises:
        AudioError: it is a folder, a pipe or a device.
    """

    __slots__ = ("number",)

    def __init__(self, number: int, name: str) -> None:
        status = os.fstat(number)
        if stat.S_ISDIR(status.st_mode):
            raise AudioError(f"{name}: no such audio file, but a folder")
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(
                f"{name}: a pipe or device, not an audio file; pipe it in and read from -"
            )
        self.number, self.size = number, status.st_size
        self.head = _read_at(number, _HEAD, 0)

    def read(self, start: int, count: int) -> bytes:
        end = start + count
        if end <= len(self.head):
            return self.head[start:end]
        if start >= self.size:  # a header may claim more than the system can count
            return b""
        return _read_at(self.number, count, start)

    def close(self) -> None:
        os.close(self.number)


class _PartView(View):
    """Of `size` bytes, or as many as there are, from `offset` on of an open file."""

    __slots__ = ("number", "offset")

    def __init__(self, number: int, offset: int, size: int) -> None:
        there = os.fstat(number).st_size - offset
        self.number, self.offset, self.size = number, offset, max(0, min(size, there))
        self.head = self.read(0, _HEAD)

    def read(self, start: int, count: int) -> bytes:
        count = min(count, self.size - start)
        return _read_at(self.number, count, self.offset + start) if count > 0 else b""

    def close(self) -> None:
        os.close(self.number)


class _BytesView(View):
    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data, self.size, self.head = data, len(data), data[:_HEAD]

    def read(self, start: int, count: int) -> bytes:
        return self.data[start : start + count]

    def close(self) -> None:
        """Nothing is held open."""


class Inner(ABC):
    """A sound file inside of another file; `name` is for messages."""

    name: str

    @abstractmethod
    def view(self) -> View:
        """The open file.

        Raises:
            AudioError: what it lies in cannot be opened.
        """


@dataclass(frozen=True)
class FilePart(Inner):
    """`size` bytes from `offset` on of the file `path`, such as a member of a tar file."""

    path: Path
    offset: int
    size: int
    name: str

    def view(self) -> View:
        return _PartView(open_number(self.path), self.offset, self.size)


@dataclass(frozen=True)
class SoundBytes(Inner):
    """A sound file in memory."""

    data: bytes
    name: str

    def view(self) -> View:
        return _BytesView(self.data)


Source = str | Path | IO[bytes] | Inner


class Cursor:
    """A file over a view, for libraries that read from a position.

    ffmpeg asks for positions before the beginning, too, and PyAV prints an exception of that.
    """

    def __init__(self, view: View) -> None:
        self._view, self._position = view, 0

    def read(self, count: int = -1) -> bytes:
        """The next bytes."""
        data = self._view.read(self._position, self._view.size if count < 0 else count)
        self._position += len(data)
        return data

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """The new position, or -1 if there is none."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._view.size}
        if whence not in base or base[whence] + offset < 0:
            return -1
        self._position = base[whence] + offset
        return self._position


def source_name(source: Source) -> str:
    """How messages call a source."""
    if isinstance(source, Inner):
        return source.name
    return str(source) if isinstance(source, str | Path) else "standard input"


def open_view(source: Source) -> View:
    """The bytes of a source.

    Raises:
        AudioError: there is no such file, or it is none to read sound from.
    """
    if isinstance(source, Inner):
        return source.view()
    if isinstance(source, str | Path) and (inside := archive_of(source)):
        return _archived(str(source), *inside).view()
    number = open_number(source)
    try:
        return FileView(number, source_name(source))
    except BaseException:
        os.close(number)
        raise


def _archived(name: str, archive: Path, offset: int) -> FilePart:
    """The sound that begins at a byte of a Kaldi archive: a WAV file or, as kaldiio writes others,
    "AUDIO", the number of bytes of a size, the size, and a sound file.

    Raises:
        AudioError: no sound begins there.
    """
    number = open_number(archive)
    try:
        head = _read_at(number, _HEAD, offset)
    finally:
        os.close(number)
    if head.startswith(b"RIFF"):
        return FilePart(archive, offset, 8 + int.from_bytes(head[4:8], "little"), name)
    if head.startswith(b"AUDIO") and len(head) > 5:
        start = 6 + head[5]
        return FilePart(archive, offset + start, int.from_bytes(head[6:start], "little"), name)
    raise AudioError(f"{name}: neither a WAV file nor kaldiio's AUDIO begins there")


def open_number(source: str | Path | IO[bytes]) -> int:
    """The number of an open file that stands at its first byte.

    Raises:
        AudioError: there is no such file.
    """
    if not isinstance(source, str | Path):
        number = os.dup(source.fileno())
        os.lseek(number, 0, os.SEEK_SET)
        return number
    try:
        return os.open(source, _FLAGS)
    except (FileNotFoundError, NotADirectoryError):
        raise AudioError(f"{source}: no such audio file") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        if isinstance(error, PermissionError) and os.path.isdir(source):  # as Windows says it
            raise AudioError(f"{source}: no such audio file, but a folder") from None
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{source}: cannot read: {reason}") from None


def _read_at(number: int, count: int, start: int) -> bytes:
    """Up to `count` bytes from `start` on of an open file, whose position stays where it is."""
    if hasattr(os, "pread"):
        return os.pread(number, count, start)
    with _SEEKING:  # Windows can only read from the position
        former = os.lseek(number, 0, os.SEEK_CUR)
        os.lseek(number, start, os.SEEK_SET)
        try:
            return os.read(number, count)
        finally:
            os.lseek(number, former, os.SEEK_SET)
