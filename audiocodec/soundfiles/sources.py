"""Where audio comes from: a path, or an open binary file, which is taken for standard input."""

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

from audiocodec.errors import AudioError

Source = str | Path | IO[bytes]
_HEAD = 4096  # bytes that hold the whole header of most files


def source_name(source: Source) -> str:
    """How messages call a source."""
    return str(source) if isinstance(source, str | Path) else "standard input"


class View(NamedTuple):
    """Random access to the bytes of a file of `size` bytes, of which `head` are the first."""

    head: bytes
    size: int
    read_at: Callable[[int, int], bytes]

    def read(self, start: int, count: int) -> bytes:
        """Up to `count` bytes from `start` on; fewer at the end of the file."""
        if start + count <= len(self.head):
            return self.head[start : start + count]
        return self.read_at(start, count)


def open_bytes(source: Source) -> io.RawIOBase | io.BytesIO:
    """A file of its own that stands at the first byte, without a buffer.

    Raises:
        AudioError: there is no such file, or it is none that can be read from any position.
    """
    if isinstance(source, io.BytesIO):
        source.seek(0)
        return source
    if not isinstance(source, str | Path):
        file = io.FileIO(os.dup(source.fileno()))
        file.seek(0)
        return file
    try:
        # A named pipe would keep a plain open() waiting for a writer.
        return io.FileIO(source, opener=lambda path, flags: os.open(path, flags | os.O_NONBLOCK))
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise AudioError(f"{source}: no such audio file") from None
    except (OSError, ValueError) as error:  # ValueError: a null byte in the name
        raise AudioError(
            f"{source}: cannot read: {getattr(error, 'strerror', None) or error}"
        ) from None


def view(file: io.RawIOBase | io.BytesIO, name: str) -> View:
    """The bytes of an open file; its position stays where it is.

    Raises:
        AudioError: it is a pipe or a device.
    """
    if isinstance(file, io.BytesIO):
        data = file.getbuffer()
        return View(bytes(data[:_HEAD]), len(data), lambda at, count: bytes(data[at : at + count]))
    number = file.fileno()
    status = os.fstat(number)
    if not stat.S_ISREG(status.st_mode):
        raise AudioError(f"{name}: no regular file; pipe it in and read from -")
    return View(
        os.pread(number, _HEAD, 0), status.st_size, lambda at, count: os.pread(number, count, at)
    )
