"""Where audio comes from: a path, or an open binary file, which is taken for standard input."""

import os
import stat
from pathlib import Path
from typing import IO

from audiocodec.errors import AudioError

Source = str | Path | IO[bytes]
_HEAD = 4096  # bytes that hold the whole header of most files
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a named pipe would wait for a writer


def source_name(source: Source) -> str:
    """How messages call a source."""
    return str(source) if isinstance(source, str | Path) else "standard input"


def open_number(source: Source) -> int:
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
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{source}: cannot read: {reason}") from None


class View:
    """Random access to the bytes of an open file, whose position stays where it is.

    Attributes:
        size: in bytes; head: the first of them.

    Raises:
        AudioError: it is a folder, a pipe or a device.
    """

    __slots__ = ("head", "number", "size")

    def __init__(self, number: int, name: str) -> None:
        status = os.fstat(number)
        if stat.S_ISDIR(status.st_mode):
            raise AudioError(f"{name}: no such audio file, but a folder")
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(
                f"{name}: a pipe or device, not an audio file; pipe it in and read from -"
            )
        self.number, self.size = number, status.st_size
        self.head = os.pread(number, _HEAD, 0)

    def read(self, start: int, count: int) -> bytes:
        """Up to `count` bytes from `start` on; fewer at the end of the file."""
        end = start + count
        if end <= len(self.head):
            return self.head[start:end]
        if start >= self.size:  # a header may claim more than the system can count
            return b""
        return os.pread(self.number, count, start)
