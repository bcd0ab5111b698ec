"""Code files: the format is chosen by the suffix when writing and recognised when reading."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from audiocodec.containers import npy, npz, packed
from audiocodec.containers.metadata import CodesMetadata
from audiocodec.entropy.model import EntropyTables
from audiocodec.errors import CodeFileError
from audiocodec.files import atomic_path

__all__ = [
    "CODE_SUFFIXES",
    "Coded",
    "CodesMetadata",
    "packed_layout",
    "read_codes",
    "read_codes_from",
    "write_codes",
]

_MAGIC_BYTES = 8  # enough to tell the formats apart
CODE_SUFFIXES = (".npy", ".npz", ".codec")


class Coded(NamedTuple):
    """codes: (num_quantizers, frames), or (channels, num_quantizers, frames) if kept apart."""

    codes: np.ndarray
    metadata: CodesMetadata

    @property
    def nominal_bits(self) -> float:
        """Of the bitrate: what a fixed number of bits for each code comes to."""
        return self.metadata.bitrate_of(self.codes.shape) * self.metadata.duration


def write_codes(
    path: str | Path,
    codes: np.ndarray,
    metadata: CodesMetadata,
    tables: EntropyTables | None = None,
) -> None:
    """Write codes and what is needed to decode them, whole or not at all.

    Args:
        path: with one of `CODE_SUFFIXES`.
        codes: integers (num_quantizers, frames) or (channels, num_quantizers, frames).
        tables: of the model, to write an entropy coded `.codec` file.

    Raises:
        CodeFileError: codes that contradict the metadata.
        CodecError: the file cannot be written.

    >>> from audiocodec import read_codes, write_codes
    >>> codes, metadata = read_codes("speech.npy")
    >>> write_codes("speech.codec", codes, metadata)  # the same codes in fewer bits
    >>> bool((read_codes("speech.codec").codes == codes).all())
    True
    """
    if Path(path).suffix not in CODE_SUFFIXES:
        raise CodeFileError(f"{path}: a code file ends in {', '.join(CODE_SUFFIXES)}")
    with atomic_path(path) as temporary, open(temporary, "wb") as file:
        if Path(path).suffix == ".npy":
            npy.write(file, codes, metadata)
        elif Path(path).suffix == ".npz":
            npz.write(file, codes, metadata)
        else:
            packed.write(file, codes, metadata, tables)


def read_codes(path: str | Path, tables: EntropyTables | None = None) -> Coded:
    """Codes in the smallest unsigned type, checked against their metadata and checksum.

    Args:
        tables: of the model, for entropy coded files.

    Raises:
        CodeFileError: missing, damaged, hostile, newer than this program, or no code file.

    >>> from audiocodec import read_codes
    >>> codes, metadata = read_codes("speech.npy")
    >>> codes.shape, codes.dtype, metadata.sample_rate, metadata.bitrate
    ((8, 75), dtype('uint16'), 24000, 6000.0)
    """
    with _named(path), _open(path) as file:
        return _read(file, tables)


def read_codes_from(file: BinaryIO, where: str, tables: EntropyTables | None = None) -> Coded:
    """`read_codes` of an open file or pipe, called `where` in messages."""
    with _named(where):
        return _read(file, tables)


def packed_layout(path: str | Path) -> packed.Layout | None:
    """What the header of a `.codec` file says, for which no tables are needed; None for others.

    All checksums are compared and the length is checked; codes are not decoded.

    Raises:
        CodeFileError: missing, damaged, hostile or newer than this program.
    """
    with _named(path), _open(path) as file:
        start = file.read(_MAGIC_BYTES)
        return packed.check(start, file) if start == packed.MAGIC else None


def _open(path: str | Path) -> BinaryIO:
    """A regular file; a pipe that nobody writes to would keep a plain open() waiting for ever."""
    number = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    mode = os.fstat(number).st_mode
    if not stat.S_ISREG(mode):
        os.close(number)
        what = "a folder" if stat.S_ISDIR(mode) else "a pipe or device; pipe it in and read from -"
        raise CodeFileError(f"not a code file, but {what}")
    return os.fdopen(number, "rb")


def _read(file: BinaryIO, tables: EntropyTables | None) -> Coded:
    start = file.read(_MAGIC_BYTES)
    if start == packed.MAGIC:
        return Coded(*packed.read(start, file, tables))
    if start.startswith(npy.MAGIC) and len(start) == _MAGIC_BYTES:
        return Coded(*npy.read(start, file))
    if start.startswith(npz.MAGIC):
        return Coded(*npz.read(start, file))
    raise CodeFileError("not a code file")


@contextlib.contextmanager
def _named(where: str | Path) -> Iterator[None]:
    """Errors inside say which file it was."""
    try:
        yield
    except OSError as error:
        raise CodeFileError(f"{where}: cannot read: {error.strerror or error}") from None
    except CodeFileError as error:
        raise CodeFileError(f"{where}: {error}") from None
