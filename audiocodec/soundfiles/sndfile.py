"""Files that libsndfile reads exactly: it finds any sample of them, and says how many there are."""

import os

import numpy as np
import soundfile

from audiocodec.errors import AudioError
from audiocodec.soundfiles.base import CURE, AudioFile, reason_of
from audiocodec.soundfiles.flac import StreamInfo, end_fault
from audiocodec.soundfiles.sources import Cursor, FileView, View

_READ_AT_ONCE = 1 << 24  # samples of all channels


class _Sequential(soundfile.SoundFile):  # type: ignore[misc]
    """A file whose reads follow one another; soundfile would seek after each."""

    def seekable(self) -> bool:
        return False


class SndFile(AudioFile):
    """PCM, float, A-law and mu-law in the usual containers, and FLAC.

    Args:
        view: the open file; it is closed with this one.
        flac: of a FLAC file, whose end is checked as soon as its last sample was read.
        expected: samples that should be there.

    Raises:
        RuntimeError: libsndfile does not know this file, or finds another number of samples.
    """

    def __init__(
        self,
        view: View,
        name: str,
        flac: StreamInfo | None = None,
        expected: int | None = None,
    ) -> None:
        self.name, self._view, self._flac = name, view, flac
        # Files by their numbers, which is faster; their position, too, tells what was read.
        self._handle = view.number if isinstance(view, FileView) else Cursor(view)
        self._file = _Sequential(self._handle, closefd=False)
        self._set_shape(self._file.samplerate, self._file.channels)
        self.num_samples: int = self._file.frames
        if expected not in (None, self.num_samples):
            raise RuntimeError(f"{self.num_samples} of {expected} samples")
        self._position, self._rewind = 0, False
        # Vorbis behind a seek is now and then not what it is when it comes along.
        self._seeks = not view.head.startswith(b"OggS")

    def read(self, count: int) -> np.ndarray:
        """The next samples; see `AudioFile`."""
        if self._rewind:
            self._seek(0)
        start, wanted = self._position, min(count, self.num_samples - self._position)
        samples = self._read(wanted)
        self._position += len(samples)
        if len(samples) < wanted:
            raise AudioError(
                f"{self.name}: truncated: {self._position} of {self.num_samples} samples; {CURE}"
            )
        if wanted and self._position == self.num_samples:
            self._check_end()
        return self._finite(samples, start)

    def _read(self, count: int) -> np.ndarray:
        """In parts: a header may claim any length, and memory is taken before samples are read."""
        most = max(1, _READ_AT_ONCE // self.num_channels)
        parts = [np.zeros((0, self.num_channels), dtype=np.float32)]
        try:
            while count > 0:
                parts.append(self._file.read(min(most, count), dtype="float32", always_2d=True))
                count = count - most if len(parts[-1]) == most else 0
        except (OSError, RuntimeError) as error:
            raise AudioError(f"{self.name}: damaged: {reason_of(error)}; {CURE}") from None
        return parts[-1] if len(parts) <= 2 else np.concatenate(parts)

    def part(self, start: int, count: int | None) -> np.ndarray:
        """Some samples, found by seeking where that is exact; see `AudioFile`."""
        if start >= self.num_samples:
            self.measure()
            return self._read(0)
        if self._seeks:
            self._seek(start)
        else:
            self._skip(start)
        samples = self.read(self.num_samples if count is None else count)
        if self._position < self.num_samples:
            self.measure()
        return samples

    def _skip(self, count: int) -> None:
        while self._position < count:
            self.read(min(_READ_AT_ONCE // self.num_channels, count - self._position))

    def _seek(self, position: int) -> None:
        try:
            self._file.seek(position)
        except (OSError, RuntimeError):
            raise AudioError(
                f"{self.name}: truncated or damaged: there is no sample {position} of "
                f"{self.num_samples}; {CURE}"
            ) from None
        self._position, self._rewind = position, False

    def measure(self) -> int:
        """How many samples there are; the last of a FLAC file is read to be sure of it."""
        if self._flac is not None:
            self._seek(self.num_samples - 1)
            self.read(1)
            self._rewind = True
        return self.num_samples

    def _check_end(self) -> None:
        if self._flac is None:
            return
        fault = end_fault(self._view, self._flac)
        if not fault and self._place() < self._view.size:
            fault = f"holds more than the {self.num_samples} samples that its header counts"
        if fault:
            raise AudioError(f"{self.name}: {fault}; {CURE}")

    def _place(self) -> int:
        """The byte that libsndfile reads next."""
        if isinstance(self._handle, Cursor):
            return self._handle.tell()
        return os.lseek(self._handle, 0, os.SEEK_CUR)

    def close(self) -> None:
        """Give the file back."""
        if not self._file.closed:
            self._file.close()
            self._view.close()
