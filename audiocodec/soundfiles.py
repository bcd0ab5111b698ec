"""libsndfile with this package's errors: open, read and write, checked; used by audio.py."""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from audiocodec.errors import AudioError, CodecError, one_line
from audiocodec.files import atomic_path

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
_READ_AT_ONCE = 1 << 24  # samples of all channels
_MAX_SAMPLES = 1 << 48

Source = str | Path | io.BytesIO


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A file whose reads follow one another; soundfile seeks after each, which MP3 decoders notice
    in the last bit.
    """

    def seekable(self) -> bool:
        return False


def open_audio(source: Source, start: int = 0) -> soundfile.SoundFile:
    """The open file, before sample `start`.

    Raises:
        AudioError: it is missing, damaged or no audio that libsndfile knows.
    """
    if isinstance(source, str | Path) and not Path(source).is_file():
        raise AudioError(f"{source}: no such audio file")
    try:
        file = _Sequential(source)
        if 0 < start < file.frames:
            file.seek(start)
    except (OSError, RuntimeError) as error:
        raise AudioError(
            f"{source_name(source)}: not readable as audio: {_reason(error)}"
        ) from None
    if file.frames > _MAX_SAMPLES:
        raise AudioError(
            f"{source_name(source)}: does not say how long it is; convert it to WAV or FLAC"
        )
    return file


def read_samples(
    file: soundfile.SoundFile, source: Source, start: int, expected: int
) -> np.ndarray:
    """The next `expected` samples (time, channels), float32, of a file that stands at `start`.

    Raises:
        AudioError: damaged, truncated, or with NaN or infinite samples.
    """
    try:
        samples = _read_at_most(file, expected)
    except (OSError, RuntimeError) as error:
        raise AudioError(f"{source_name(source)}: damaged: {_reason(error)}") from None
    if len(samples) < expected:
        raise AudioError(
            f"{source_name(source)}: truncated: {len(samples)} of {expected} samples{after(start)}"
        )
    if not np.isfinite(samples).all():
        first = start + int(np.argmin(np.isfinite(samples).all(axis=1)))
        raise AudioError(
            f"{source_name(source)}: NaN or infinite sample at {first}; repair the file"
        )
    return samples


def _read_at_most(file: soundfile.SoundFile, expected: int) -> np.ndarray:
    """In parts: a header may claim any length, and memory is taken before samples are read."""
    most = max(1, _READ_AT_ONCE // file.channels)
    parts = []
    while expected > 0:
        parts.append(file.read(min(most, expected), dtype="float32", always_2d=True))
        expected = expected - most if len(parts[-1]) == most else 0
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


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
                raise CodecError(f"{path}: cannot write: {_reason(error)}") from error
        if file.failure is not None:
            raise file.failure


def file_format(path: str | Path) -> tuple[str, str | None]:
    """libsndfile's names of the format and the default subtype of files with the suffix of `path`.

    Raises:
        AudioError: the suffix is no format that can be written.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in AUDIO_SUFFIXES:
        known = " ".join(AUDIO_SUFFIXES)
        raise AudioError(f"{path}: cannot write {suffix!r} files; use one of {known}")
    formats = {".opus": ("OGG", "OPUS"), ".ogg": ("OGG", "VORBIS"), ".mp3": ("MP3", None)}
    return formats.get(suffix, (suffix[1:].upper(), "PCM_16"))


def source_name(source: Source) -> str:
    """How messages call a source."""
    return str(source) if isinstance(source, str | Path) else "standard input"


def after(start: int) -> str:
    """How messages name the start of a part."""
    return f" after sample {start}" if start else ""


def _reason(error: Exception) -> str:
    text = one_line(error)
    return text.rpartition(": ")[2] or text
