"""Raw samples through pipes: signed 16-bit or 32-bit float, little-endian, one channel."""

import io
from collections.abc import Iterator
from typing import Any, BinaryIO, cast

import numpy as np

from audiocodec.errors import AudioError
from audiocodec.signatures import container_of

PCM_FORMATS: dict[str, np.dtype[Any]] = {"s16le": np.dtype("<i2"), "f32le": np.dtype("<f4")}
_FULL_SCALE = 32_768
_READ_BYTES = 1 << 16
_SIGNATURE = 16  # bytes that tell a file with a header


def read_pcm(file: BinaryIO, form: str) -> Iterator[np.ndarray]:
    """Samples (time,), float32, -1..1, as they arrive.

    Raises:
        AudioError: the input ends within a sample, or before the first.
    """
    dtype = PCM_FORMATS[form]
    total, rest = 0, _start(file)
    # read1 returns what is there instead of waiting until there is enough.
    while (data := cast(io.BufferedReader, file).read1(_READ_BYTES)) or len(rest) >= dtype.itemsize:
        data = rest + data
        whole = len(data) - len(data) % dtype.itemsize
        rest = data[whole:]
        samples = np.frombuffer(data[:whole], dtype)
        total += len(samples)
        yield (samples / _FULL_SCALE if form == "s16le" else samples).astype(np.float32)
    if rest:
        raise AudioError(f"standard input ends within a sample of {form}, after {total} samples")
    if not total:
        raise AudioError("standard input has no samples")


def _start(file: BinaryIO) -> bytes:
    """The first bytes, which must not be those of a file with a header: it would become a click."""
    start = b""
    while len(start) < _SIGNATURE and (more := file.read(_SIGNATURE - len(start))):
        start += more
    if (kind := container_of(start)) is not None:
        raise AudioError(
            f"standard input is a .{kind} file, not raw samples; encode it with codec encode - "
            "OUT, or send its samples alone: ffmpeg -i FILE -f s16le -ac 1 -ar RATE -"
        )
    return start


def pcm_bytes(waveform: np.ndarray, form: str) -> bytes:
    """Samples (time,), float, as bytes; 16-bit ones are rounded and clipped."""
    if form == "s16le":
        waveform = np.rint(waveform * _FULL_SCALE).clip(-_FULL_SCALE, _FULL_SCALE - 1)
    return waveform.astype(PCM_FORMATS[form]).tobytes()
