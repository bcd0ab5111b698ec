"""Waveform files and resampling, at once; audio_blocks.py does the same block by block."""

import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from audiocodec.channels import Channel, ChannelChoice
from audiocodec.errors import AudioError
from audiocodec.lengths import resampled_length
from audiocodec.soundfiles.opening import AUDIO_SUFFIXES, open_audio
from audiocodec.soundfiles.sources import Source, source_name
from audiocodec.soundfiles.writing import file_format, writing

__all__ = [
    "AUDIO_SUFFIXES",
    "RESAMPLER",
    "Audio",
    "AudioInfo",
    "audio_info",
    "flac_bytes",
    "lossless_bytes",
    "read_audio",
    "read_waveform",
    "resample",
    "wav_bytes",
    "write_waveform",
]

log = logging.getLogger(__name__)

QUALITY = "HQ"
RESAMPLER = f"soxr {soxr.__version__} {QUALITY}"  # stamped into results: a filter changes numbers


@dataclass(frozen=True)
class AudioInfo:
    """What a file holds; `num_samples` is a channel's."""

    sample_rate: int
    num_samples: int
    num_channels: int


class Audio(NamedTuple):
    """Samples of a file.

    waveform: (channels, time) float32, nominally -1..1; info: of the whole file; channel_fault:
    what taking the mean of channels did to it, "" if nothing is wrong.
    """

    waveform: np.ndarray
    info: AudioInfo
    channel_fault: str


def audio_info(source: Source, *, allow_truncated: bool = False) -> AudioInfo:
    """Rate, length and channels of a file, as reading it gives them.

    Files whose header cannot be trusted are decoded for that; WAV, FLAC and the like are not.

    Args:
        source: a path, a binary file that can seek, or a sound file inside of another file.
        allow_truncated: count what is there of a file that is not whole.

    Raises:
        AudioError: missing, no audio, empty, truncated, or with bytes that cannot be read.
    """
    with open_audio(source, allow_truncated) as file:
        num_samples = file.measure()
        if not num_samples:
            raise AudioError(f"{file.name}: has no samples")
        return AudioInfo(file.sample_rate, num_samples, file.num_channels)


def read_audio(
    source: Source,
    sample_rate: int | None = None,
    *,
    start: int = 0,
    num_samples: int | None = None,
    channel: Channel = "mix",
    allow_truncated: bool = False,
) -> Audio:
    """Samples of a file, and what it is.

    Args:
        source: a path, a binary file that can seek, or a sound file inside of another file.
        sample_rate: in Hz; resampled to it if the file has another.
        start, num_samples: the part to take, in the file's own samples; found by seeking in WAV,
            FLAC and the like, else by decoding the file. A part that reaches beyond the end is
            shorter.
        channel: a number from 0, "mix" for the mean of all channels, "each" for all as they are.
        allow_truncated: read a file that is not whole as far as it goes, and say so in the log.

    Raises:
        AudioError: missing, unreadable, truncated, empty, or with NaN or infinite samples.

    >>> from audiocodec import read_audio
    >>> audio = read_audio("speech.wav", 16_000)
    >>> audio.waveform.shape, audio.waveform.dtype, audio.info.sample_rate
    ((1, 16000), dtype('float32'), 24000)
    """
    with open_audio(source, allow_truncated) as file:
        choice = ChannelChoice(channel, file.num_channels, file.name)
        samples = file.part(start, num_samples)
        if not len(samples):
            after = f" after sample {start}" if start else ""
            raise AudioError(f"{file.name}: has no samples{after}")
        assert file.num_samples is not None  # `part` finds out
        info = AudioInfo(file.sample_rate, file.num_samples, file.num_channels)
    waveform = choice(samples)
    rate = sample_rate or info.sample_rate
    if rate != info.sample_rate:
        waveform = resample(waveform, info.sample_rate, rate)
    return Audio(np.ascontiguousarray(waveform), info, choice.fault)


def read_waveform(
    source: Source,
    sample_rate: int | None = None,
    *,
    start: int = 0,
    num_samples: int | None = None,
    channel: Channel = "mix",
    allow_truncated: bool = False,
) -> np.ndarray:
    """The waveform of `read_audio`; a mean of channels that cancel one another is logged."""
    audio = read_audio(
        source,
        sample_rate,
        start=start,
        num_samples=num_samples,
        channel=channel,
        allow_truncated=allow_truncated,
    )
    if audio.channel_fault:
        log.warning("%s: %s; choose one", source_name(source), audio.channel_fault)
    return audio.waveform


def write_waveform(
    path: str | Path, waveform: np.ndarray, sample_rate: int, subtype: str | None = None
) -> None:
    """Write (time,) or (channels, time) samples, whole or not at all; the suffix is the format.

    WAV and FLAC are written as 16-bit integers unless `subtype` (libsndfile's name, e.g. `FLOAT`)
    says otherwise; samples beyond -1..1 are clipped by integer formats.

    Raises:
        AudioError: the suffix is not that of a format that can be written.
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


def wav_bytes(waveform: np.ndarray, sample_rate: int) -> bytes:
    """(time,) or (channels, time) samples as the bytes of a WAV file of 32-bit floats."""
    buffer = io.BytesIO()
    soundfile.write(buffer, np.asarray(waveform).T, sample_rate, format="WAV", subtype="FLOAT")
    return buffer.getvalue()


def lossless_bytes(waveform: np.ndarray, sample_rate: int) -> tuple[str, bytes]:
    """Suffix and bytes of a file from which the same (channels, time) float32 samples are read:
    FLAC if they are 16-bit integers and their channels few enough, else WAV of floats.
    """
    steps = waveform.astype(np.float64) * (1 << 15)
    if len(waveform) > 8 or (steps != np.clip(np.rint(steps), -(1 << 15), (1 << 15) - 1)).any():
        return ".wav", wav_bytes(waveform, sample_rate)
    buffer = io.BytesIO()
    # As integers: libsndfile scales floats by another number when it writes than when it reads.
    samples = steps.astype(np.int16).T
    soundfile.write(buffer, samples, sample_rate, format="FLAC", subtype="PCM_16")
    return ".flac", buffer.getvalue()


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
