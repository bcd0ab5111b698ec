"""PyAV: a file opened for ffmpeg, its packets decoded one after the other."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from audiocodec.errors import AudioError, MissingPackage, one_line
from audiocodec.extras import extra
from audiocodec.soundfiles.headers import TAGS
from audiocodec.soundfiles.hints import hint, no_sound
from audiocodec.soundfiles.sources import Cursor, View

if TYPE_CHECKING:
    import av

# Playlists and the like, which would open other files, are not among them.
DEMUXERS = (
    "aac,ac3,aiff,amr,amrnb,amrwb,ape,asf,au,avi,avr,caf,dsf,eac3,flac,iff,ircam,matroska,webm,mov,"
    "mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,nistsphere,ogg,pvf,tta,voc,w64,wav,wv"
)


@dataclass(frozen=True)
class Fault:
    """A packet that could not be read or decoded, and how many bytes of zeros it is, if it is."""

    reason: str
    zeros: int


def opened(view: View, name: str) -> "tuple[av.container.InputContainer, av.AudioStream]":
    """A sound file and the stream in it that is heard by default.

    Raises:
        AudioError: ffmpeg knows no such format, or finds no sound in it.
        MissingPackage: PyAV is not installed.
    """
    try:
        with extra("formats"):
            import av  # takes a while to load, and many need it for no file
    except MissingPackage as missing:
        if what := no_sound(view.head):
            raise AudioError(f"{name}: not readable as audio: {what}") from None
        raise MissingPackage(f"{name}: {missing}") from None
    try:
        container = av.open(
            Cursor(view),
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


def frames(
    container: "av.container.InputContainer", stream: "av.AudioStream", strict: bool
) -> "Iterator[av.AudioFrame | Fault]":
    """Decoded frames, and a fault for each packet that could not be read or decoded.

    Args:
        strict: the container knows how large its packets are; others just end with a smaller one.
    """
    with extra("formats"):
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
                yield Fault("a part of a packet is missing", 0)
            for frame in stream.decode(_cropped(packet, block)):
                if isinstance(frame, av.AudioFrame) and frame.samples:
                    yield frame
        except (av.FFmpegError, ValueError, OSError) as error:
            data = b"" if packet is None else bytes(packet)
            if not data.startswith(TAGS):  # they stand between MP3s
                reason = getattr(error, "strerror", None) or one_line(error)
                yield Fault(reason, 0 if any(data) else len(data))


def _block(stream: "av.AudioStream") -> int:
    """Bytes of a sample of all channels, if they are stored plainly; else 1."""
    name = stream.codec_context.name
    bits = re.search(r"\d+", name) if name.startswith("pcm_") else None
    plain = name in ("pcm_alaw", "pcm_mulaw")
    width = int(bits[0]) // 8 if bits else 1
    return width * stream.channels if bits or plain else 1


def _cropped(packet: "av.Packet", block: int) -> "av.Packet":
    """Without a part of a sample at the end: PyAV loses all of a packet that ends with an error."""
    with extra("formats"):
        import av

    rest = packet.size % block
    return av.Packet(bytes(packet)[:-rest]) if rest else packet


def samples(frame: "av.AudioFrame") -> np.ndarray:
    """(time, channels) float32."""
    array = frame.to_ndarray()
    samples = array.T if frame.format.is_planar else array.reshape(frame.samples, -1)
    if samples.dtype == np.uint8:
        return (samples.astype(np.float32) - 128) / 128
    if samples.dtype.kind == "i":
        full_scale = 2.0 ** (8 * samples.dtype.itemsize - 1)
        return (samples / full_scale).astype(np.float32)
    return samples.astype(np.float32)
