"""All other files, decoded by ffmpeg (PyAV) from their beginning to their end.

So lengths, rates and the trimming of encoder delays are ffmpeg's by construction. Nothing is found
by seeking: after a jump many decoders differ from what they give when they come along.
"""

import logging
import os
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from audiocodec.errors import AudioError, one_line
from audiocodec.soundfiles.base import CURE, AudioFile
from audiocodec.soundfiles.headers import TAGS
from audiocodec.soundfiles.hints import hint
from audiocodec.soundfiles.sources import View

if TYPE_CHECKING:
    import av

log = logging.getLogger(__name__)

# Playlists and the like, which would open other files, are not among them.
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avr,caf,dsf,eac3,flac,iff,ircam,matroska,webm,mov,mp4,"
    "m4a,3gp,3g2,mj2,mp3,mpc,mpc8,nistsphere,ogg,pvf,tta,voc,w64,wav,wv"
)
# headers.py has seen that all of them is there; less than a block may stand at their end.
_CHECKED = {"wav", "w64", "aiff", "au", "nistsphere", "caf"}
# Those that state how much there should be; others are estimated from a bitrate.
_STATING = {"ape", "asf", "flac", "matroska", "webm", "mov", "mp4", "tta", "wv"}
_FRAME_COUNTS = (b"Xing", b"Info", b"VBRI")  # of MP3
_PRIMING = 4096  # samples that encoders add and decoders take away, which some headers count
_BLOCK = 1 << 16


class FfmpegFile(AudioFile):
    """Any sound that ffmpeg can decode.

    Args:
        view: the open file; it is closed with this one.
        forgiven: a fault that was found already and is no error, "" if there is none yet; the log
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
        self._container, self._stream = _opened(self._view, self.name)
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
        done, fault = 0, ""
        strict = bool(self._formats & {"mov", "matroska"})
        for frame in _frames(self._container, self._stream, strict):
            if isinstance(frame, str):
                fault = frame if done else ""  # decoders of cut out sound start with trouble
                continue
            if fault:
                self._report(f"damaged after sample {done}: {fault}")
                fault = ""
            found = (frame.sample_rate, frame.layout.nb_channels)
            if shape is None:
                shape = found
                self._set_shape(*shape)
            elif found != shape:
                raise AudioError(
                    f"{self.name}: changes from {shape[0]} Hz, {shape[1]} channels to {found[0]} "
                    f"Hz, {found[1]} channels after sample {done}; convert or divide it"
                )
            yield _samples(frame)
            done += frame.samples
        if shape is None:
            return
        if fault and not self._formats & _CHECKED:
            self._report(f"truncated or damaged after sample {done}: {fault}")
        stated = self._stated()
        if stated is not None and done < stated - _PRIMING:
            self._report(f"truncated: {done} of {stated} samples")
        self.num_samples = done

    def _stated(self) -> int | None:
        in_mp3 = "mp3" in self._formats and _counts_frames(self._view)
        if not (self._formats & _STATING or in_mp3):
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
            os.close(self._view.number)
            self._closed = True


class _Bytes:
    """What ffmpeg reads from: it asks for positions before the beginning, too, which Python's files
    answer with an exception, and PyAV then prints that.
    """

    def __init__(self, number: int) -> None:
        self._number = number

    def read(self, count: int) -> bytes:
        """The next bytes."""
        return os.read(self._number, count)

    def tell(self) -> int:
        """The position."""
        return os.lseek(self._number, 0, os.SEEK_CUR)

    def seek(self, offset: int, whence: int = 0) -> int:
        """The new position, or -1 if there is none such."""
        try:
            return os.lseek(self._number, offset, whence)
        except OSError:
            return -1


def _opened(view: View, name: str) -> "tuple[av.container.InputContainer, av.AudioStream]":
    import av  # takes a while to load, and many need it for no file

    os.lseek(view.number, 0, os.SEEK_SET)
    try:
        container = av.open(
            _Bytes(view.number),
            mode="r",
            container_options={"format_whitelist": DEMUXERS},
            metadata_errors="ignore",
        )
    except (av.FFmpegError, ValueError, OSError):
        raise AudioError(f"{name}: not readable as audio: {hint(view.head)}") from None
    stream = container.streams.best("audio")
    if not isinstance(stream, av.AudioStream) or stream.codec_context is None:
        container.close()
        raise AudioError(f"{name}: holds no sound, or one that ffmpeg cannot decode")
    return container, stream


def _frames(
    container: "av.container.InputContainer", stream: "av.AudioStream", strict: bool
) -> "Iterator[av.AudioFrame | str]":
    """Decoded frames, and a word for each packet that could not be read or decoded.

    Args:
        strict: the container knows how large its packets are; others just end with a smaller one.
    """
    import av

    block = _block(stream)
    packets = container.demux(stream)
    while True:
        packet = None
        try:
            packet = next(packets, None)
            if packet is None:
                return
            if packet.is_corrupt and strict:
                yield "a part of a packet is missing"
            for frame in stream.decode(_cropped(packet, block)):
                if isinstance(frame, av.AudioFrame) and frame.samples:
                    yield frame
        except (av.FFmpegError, ValueError, OSError) as error:
            if packet is None or not bytes(packet).startswith(TAGS):  # they stand between MP3s
                yield getattr(error, "strerror", None) or one_line(error)


def _counts_frames(view: View) -> bool:
    """Whether the first frame of an MP3 file, behind its tags, says how many there are."""
    start = 0
    while (tag := view.read(start, 10)).startswith(b"ID3"):
        start += 10 + sum((byte & 0x7F) << 7 * (9 - at) for at, byte in enumerate(tag) if at > 5)
    frame = view.read(start, 44)  # such a mark comes behind 32 bytes at most
    return any(mark in frame for mark in _FRAME_COUNTS)


def _block(stream: "av.AudioStream") -> int:
    """Bytes of a sample of all channels, if they are stored plainly; else 1."""
    name = stream.codec_context.name
    bits = re.search(r"\d+", name) if name.startswith("pcm_") else None
    plain = name in ("pcm_alaw", "pcm_mulaw")
    width = int(bits[0]) // 8 if bits else 1
    return width * stream.channels if bits or plain else 1


def _cropped(packet: "av.Packet", block: int) -> "av.Packet":
    """Without a part of a sample at the end: PyAV loses all of a packet that ends with an error."""
    import av

    rest = packet.size % block
    return av.Packet(bytes(packet)[:-rest]) if rest else packet


def _samples(frame: "av.AudioFrame") -> np.ndarray:
    """(time, channels) float32."""
    array = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(frame.samples, -1)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype.kind == "i":
        full_scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
        return (samples / full_scale).astype(np.float32)
    return samples.astype(np.float32)
