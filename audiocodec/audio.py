"""Waveform files and resampling, at once; audio_blocks.py does the same block by block."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from audiocodec.errors import AudioError
from audiocodec.lengths import resampled_length
from audiocodec.soundfiles import (
    AUDIO_SUFFIXES,
    Source,
    after,
    file_format,
    open_audio,
    read_samples,
    source_name,
    writing,
)

__all__ = [
    "AUDIO_SUFFIXES",
    "RESAMPLER",
    "AudioInfo",
    "audio_info",
    "flac_bytes",
    "read_waveform",
    "resample",
    "write_waveform",
]

QUALITY = "HQ"
RESAMPLER = f"soxr {soxr.__version__} {QUALITY}"  # stamped into results: a filter changes numbers


@dataclass(frozen=True)
class AudioInfo:
    """What a file says of itself; `num_samples` is a channel's."""

    sample_rate: int
    num_samples: int
    num_channels: int


def audio_info(source: Source) -> AudioInfo:
    """Rate, length and channels of a file, from its header.

    Raises:
        AudioError: the file is missing or is no audio that libsndfile knows.
    """
    with open_audio(source) as file:
        return AudioInfo(file.samplerate, file.frames, file.channels)


def read_waveform(
    source: Source,
    sample_rate: int | None = None,
    *,
    start: int = 0,
    num_samples: int | None = None,
    mono: bool = True,
) -> np.ndarray:
    """Samples of a file: (channels, time) float32, nominally -1..1.

    Args:
        sample_rate: in Hz; resampled to it if the file has another.
        start, num_samples: the part to read, in the file's own samples; found by seeking. A part
            that reaches beyond the end is shorter.
        mono: average the channels to one.

    Raises:
        AudioError: missing, unreadable, truncated, empty, or with NaN or infinite samples.
    """
    with open_audio(source, start) as file:
        expected = max(0, file.frames - start)
        if num_samples is not None:
            expected = min(expected, num_samples)
        if expected == 0:
            raise AudioError(f"{source_name(source)}: has no samples{after(start)}")
        samples = read_samples(file, source, start, expected)
        rate = file.samplerate
    waveform = samples.mean(axis=1, keepdims=True).T if mono else samples.T
    if sample_rate is not None and sample_rate != rate:
        return resample(waveform, rate, sample_rate)
    return np.ascontiguousarray(waveform)


def write_waveform(
    path: str | Path, waveform: np.ndarray, sample_rate: int, subtype: str | None = None
) -> None:
    """Write (time,) or (channels, time) samples, whole or not at all; the suffix is the format.

    WAV and FLAC are written as 16-bit integers unless `subtype` (libsndfile's name, e.g. `FLOAT`)
    says otherwise; samples beyond -1..1 are clipped by integer formats.

    Raises:
        AudioError: the suffix is no format that can be written.
        CodecError: the file cannot be written.
    """
    form, default = file_format(path)
    with writing(path) as file:
        samples = np.asarray(waveform).T
        soundfile.write(file, samples, sample_rate, format=form, subtype=subtype or default)


def flac_bytes(waveform: np.ndarray, sample_rate: int) -> bytes:
    """(time,) or (channels, time) samples as the bytes of a 16-bit FLAC file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.asarray(waveform).T, sample_rate, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample the last axis to exactly ceil(time * to_rate / from_rate) float32 samples."""
    if from_rate == to_rate:
        return np.asarray(waveform, dtype=np.float32)
    length = resampled_length(waveform.shape[-1], from_rate, to_rate)
    columns = np.asarray(waveform, dtype=np.float32).reshape(-1, waveform.shape[-1]).T
    resampled = soxr.resample(columns, from_rate, to_rate, QUALITY)[:length]
    missing = length - len(resampled)
    if missing:  # soxr rounds the length
        resampled = np.pad(resampled, ((0, missing), (0, 0)))
    return np.ascontiguousarray(resampled.T.reshape(*waveform.shape[:-1], length))
