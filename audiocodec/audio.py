"""Waveform files and resampling; the only importer of soundfile and soxr."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

from audiocodec.errors import AudioError
from audiocodec.files import atomic_path

AUDIO_SUFFIXES = (".wav", ".flac", ".ogg", ".opus", ".mp3")
RESAMPLER = f"soxr {soxr.__version__} HQ"


@dataclass(frozen=True)
class AudioInfo:
    sample_rate: int
    num_samples: int
    num_channels: int


def audio_info(path: str | Path) -> AudioInfo:
    try:
        info = soundfile.info(path)
    except (OSError, soundfile.LibsndfileError) as error:
        raise AudioError(f"{path}: not readable as audio: {error}") from None
    return AudioInfo(info.samplerate, info.frames, info.channels)


def read_waveform(
    path: str | Path,
    sample_rate: int | None = None,
    *,
    start: int = 0,
    num_samples: int | None = None,
    mono: bool = True,
) -> np.ndarray:
    try:
        frames = -1 if num_samples is None else num_samples
        data, rate = soundfile.read(path, frames, start, dtype="float32", always_2d=True)
    except (OSError, RuntimeError, soundfile.LibsndfileError) as error:
        raise AudioError(f"{path}: not readable as audio: {error}") from None
    if not len(data):
        raise AudioError(f"{path}: has no samples")
    if not np.isfinite(data).all():
        raise AudioError(f"{path}: has NaN or infinite samples")
    waveform = data.mean(1, keepdims=True).T if mono else data.T
    if sample_rate is not None and sample_rate != rate:
        waveform = resample(waveform, rate, sample_rate)
    return np.ascontiguousarray(waveform)


def write_waveform(path: str | Path, waveform: np.ndarray, sample_rate: int) -> None:
    with atomic_path(path) as temporary:
        soundfile.write(temporary, np.asarray(waveform).T, sample_rate, subtype="PCM_16")


def resample(waveform: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    length = -(-waveform.shape[-1] * to_rate // from_rate)
    flat = waveform.reshape(-1, waveform.shape[-1]).T
    out = soxr.resample(flat, from_rate, to_rate, "HQ")[:length]
    out = np.pad(out, ((0, length - len(out)), (0, 0)))
    return np.ascontiguousarray(out.T.reshape(*waveform.shape[:-1], length), dtype=np.float32)
