"""All other files, decoded by ffmpeg (PyAV) from their beginning to their end.

So lengths, rates and the trimming of encoder delays are ffmpeg's by construction. Nothing is found
by seeking: after a jump many decoders differ from what they give when they come along.
"""

import logging
from collections.abc import Iterator

import numpy as np

from audiocodec.errors import AudioError
from audiocodec.soundfiles.base import CURE, AudioFile
from audiocodec.soundfiles.pyav import Fault, frames, opened, samples
from audiocodec.soundfiles.sources import View
from audiocodec.soundfiles.tags import counted_samples

log = logging.getLogger(__name__)

# headers.py has seen that all of them is there; less than a block may stand at their end.
_CHECKED = {"wav", "w64", "aiff", "au", "nistsphere", "caf"}
# Those that state how much there should be; others are estimated from a bitrate.
_STATING = {"ape", "asf", "flac", "matroska", "webm", "mov", "mp4", "tta", "wv"}
_COUNTING = {"tta", "wv"}  # to the sample
_PRIMING = 4096  # samples that encoders add and decoders take away, which some headers count
_PADDING = 4096  # zeros that a file may end with
_BLOCK = 1 << 16


class FfmpegFile(AudioFile):
    """Any sound that ffmpeg can decode.

    Args:
        view: the open file; it is closed with this one.
        forgiven: a known fault that is not an error, "" if there is none yet; the log
            tells of it or of the first that is found. None: every fault is an error.

    Raises:
        AudioError: ffmpeg knows no such format, or finds no sound in it.
    """

    def __init__(self, view: View, name: str, forgiven: str | None = None) -> None:
        self.name, self._view, self._lenient = name, view, forgiven is not None
        self.num_samples: int | None = None
        self._reported = self._closed = False
        self._open()
        if forgiven:
            self._report(forgiven)

    def _open(self) -> None:
        self._container, self._stream = opened(self._view, self.name)
        self._formats = set(self._container.format.name.split(","))
        self._position = 0
        self._blocks = self._decode()
        first = next(self._blocks, None)
        if first is None:
            raise AudioError(f"{self.name}: has no samples, or none that can be decoded")
        self._pending = first

    def _decode(self) -> Iterator[np.ndarray]:
        """Blocks (time, channels). What follows a fault may be all right, or may never come."""
        shape: tuple[int, int] | None = None
        done, fault, zeros = 0, "", 0
        strict = bool(self._formats & {"mov", "matroska"})
        for frame in frames(self._container, self._stream, strict):
            if isinstance(frame, Fault):
                zeros += frame.zeros
                harmless = frame.zeros > 0 and zeros <= _PADDING
                # Decoders of cut out sound start with trouble.
                fault = fault if harmless else frame.reason if done else ""
                continue
            if fault or (zeros and done):
                self._report(f"damaged after sample {done}: {fault or 'there are only zeros'}")
            fault, zeros = "", 0
            found = (frame.sample_rate, frame.layout.nb_channels)
            if shape is None:
                shape = found
                self._set_shape(*shape)
            elif found != shape:
                raise AudioError(
                    f"{self.name}: changes from {shape[0]} Hz, {shape[1]} channels to {found[0]} "
                    f"Hz, {found[1]} channels after sample {done}; convert or divide it"
                )
            yield samples(frame)
            done += frame.samples
        if shape is None:
            return
        stated = self._stated()
        complete = self._formats & _COUNTING and stated is not None and done >= stated
        if fault and not (complete or self._formats & _CHECKED):
            self._report(f"truncated or damaged after sample {done}: {fault}")
        if stated is not None and done < stated - _PRIMING:
            self._report(f"truncated: {done} of {stated} samples")
        self.num_samples = done

    def _stated(self) -> int | None:
        if "mp3" in self._formats:  # ffmpeg's own number is an estimate if files are joined
            return counted_samples(self._view)
        if not self._formats & _STATING:
            return None
        if self._stream.duration is not None and self._stream.time_base is not None:
            return int(self._stream.duration * self._stream.time_base * self.sample_rate)
        if self._container.duration is not None:
            return int(self._container.duration * self.sample_rate / 1_000_000)
        return None

    def _report(self, fault: str) -> None:
        if not self._lenient:
            raise AudioError(f"{self.name}: {fault}; {CURE}")
        if not self._reported:
            self._reported = True
            log.warning("%s: %s; read as far as it goes", self.name, fault)

    def read(self, count: int) -> np.ndarray:
        """The next samples; see `AudioFile`."""
        parts = [self._pending[:count]]
        self._pending = self._pending[count:]
        count -= len(parts[0])
        while count > 0 and (block := next(self._blocks, None)) is not None:
            parts.append(block[:count])
            self._pending = block[count:]
            count -= len(parts[-1])
        samples = np.concatenate(parts)
        self._position += len(samples)
        return self._finite(samples, self._position - len(samples))

    def part(self, start: int, count: int | None) -> np.ndarray:
        """Some samples, from a file that was just opened; see `AudioFile`."""
        parts = [self._pending[:0]]
        position = 0
        while len(block := self.read(_BLOCK)):
            end = None if count is None else max(0, start + count - position)
            parts.append(block[max(0, start - position) : end])
            position += len(block)
        return np.concatenate(parts)

    def measure(self) -> int:
        """How many samples there are, by decoding them."""
        total = 0
        while len(block := self.read(_BLOCK)):
            total += len(block)
        self._container.close()
        self._open()
        return total

    def close(self) -> None:
        """Give the file back."""
        if not self._closed:
            self._container.close()
            self._view.close()
            self._closed = True
