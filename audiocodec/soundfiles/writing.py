"""Sound files that are written by libsndfile, each of them whole or absent."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import soundfile

from audiocodec.errors import AudioError, CodecError
from audiocodec.files import atomic_path
from audiocodec.soundfiles.base import reason_of

_FORMATS: dict[str, tuple[str, str | None]] = {
    ".wav": ("WAV", "PCM_16"),
    ".flac": ("FLAC", "PCM_16"),
    ".ogg": ("OGG", "VORBIS"),
    ".opus": ("OGG", "OPUS"),
    ".mp3": ("MP3", None),
}


class OutputFile(io.BufferedRandom):
    """A file that remembers its first failure: libsndfile does not report that of the last write,
    so a file cut off by a full disk would pass for a whole one.
    """

    failure: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.failure = self.failure or error
            return 0

    def seek(self, offset: int, whence: int = 0) -> int:  # writes what is buffered
        try:
            return super().seek(offset, whence)
        except OSError as error:
            self.failure = self.failure or error
            return -1


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[OutputFile]:
    """A file for libsndfile to write that becomes `path` when all of it has been written.

    Raises:
        CodecError: the file cannot be written (no space, no permission, ...).
    """
    with atomic_path(path) as temporary, OutputFile(io.FileIO(temporary, "w+")) as file:
        try:
            yield file
        except (soundfile.LibsndfileError, AssertionError) as error:  # asserts all is written
            if file.failure is None:
                raise CodecError(f"{path}: cannot write: {reason_of(error)}") from error
        if file.failure is not None:
            raise file.failure


def file_format(path: str | Path) -> tuple[str, str | None]:
    """libsndfile's names of the format and the default subtype of files with the suffix of `path`.

    Raises:
        AudioError: the suffix is not that of a format that can be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        known = " ".join(_FORMATS)
        raise AudioError(f"{path}: cannot write {suffix!r} files; use one of {known}")
    return _FORMATS[suffix]
