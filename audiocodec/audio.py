"""Waveform files and resampling; the only importer of soundfile and soxr."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from audiocodec.errors import AudioError
from audiocodec.files import atomic_path

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
QUALITY = "HQ"
RESAMPLER = f"soxr {soxr.__version__} {QUALITY}"  # stamped into results: a filter changes numbers

Source = str | Path | io.BytesIO


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
    with _open(source) as file:
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
    with _open(source) as file:
        expected = max(0, file.frames - start)
        if num_samples is not None:
            expected = min(expected, num_samples)
        if expected == 0:
            raise AudioError(f"{_name(source)}: has no samples{_after(start)}")
        samples = _read(file, source, start, expected)
        rate = file.samplerate
    if not np.isfinite(samples).all():
        first = start + int(np.argmin(np.isfinite(samples).all(axis=1)))
        raise AudioError(f"{_name(source)}: NaN or infinite sample at {first}; repair the file")
    waveform = samples.mean(axis=1, keepdims=True).T if mono else samples.T
    if sample_rate is not None and sample_rate != rate:
        return resample(waveform, rate, sample_rate)
    return np.ascontiguousarray(waveform)


def _open(source: Source) -> soundfile.SoundFile:
    if isinstance(source, str | Path) and not Path(source).is_file():
        raise AudioError(f"{source}: no such audio file")
    try:
        return soundfile.SoundFile(source)
    except (OSError, RuntimeError) as error:
        raise AudioError(f"{_name(source)}: not readable as audio: {_reason(error)}") from None


def _read(file: soundfile.SoundFile, source: Source, start: int, expected: int) -> np.ndarray:
    try:
        if start:
            file.seek(start)
        samples: np.ndarray = file.read(expected, dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise AudioError(f"{_name(source)}: damaged: {_reason(error)}") from None
    if len(samples) < expected:
        raise AudioError(
            f"{_name(source)}: truncated: {len(samples)} of {expected} samples{_after(start)}"
        )
    return samples


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
    path = Path(path)
    formats = {".opus": ("OGG", "OPUS"), ".ogg": ("OGG", "VORBIS"), ".mp3": ("MP3", None)}
    form, default = formats.get(path.suffix.lower(), (path.suffix[1:].upper(), "PCM_16"))
    if path.suffix.lower() not in AUDIO_SUFFIXES:
        known = " ".join(AUDIO_SUFFIXES)
        raise AudioError(f"{path}: cannot write {path.suffix!r} files; use one of {known}")
    with atomic_path(path) as temporary:
        samples = np.asarray(waveform).T
        soundfile.write(temporary, samples, sample_rate, format=form, subtype=subtype or default)


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Resample the last axis to exactly ceil(time * to_rate / from_rate) float32 samples."""
    if from_rate == to_rate:
        return np.asarray(waveform, dtype=np.float32)
    length = -(-waveform.shape[-1] * to_rate // from_rate)
    columns = np.asarray(waveform, dtype=np.float32).reshape(-1, waveform.shape[-1]).T
    resampled = soxr.resample(columns, from_rate, to_rate, QUALITY)[:length]
    missing = length - len(resampled)
    if missing:  # soxr rounds the length
        resampled = np.pad(resampled, ((0, missing), (0, 0)))
    return np.ascontiguousarray(resampled.T.reshape(*waveform.shape[:-1], length))


def _name(source: Source) -> str:
    return str(source) if isinstance(source, str | Path) else "standard input"


def _after(start: int) -> str:
    return f" after sample {start}" if start else ""


def _reason(error: Exception) -> str:
    text = str(error)
    return " ".join((text.rpartition(": ")[2] or text).split())
