"""Audio files block by block, in memory that does not grow with their length.

Blocks, resampled ones too, are exactly the parts of what audio.py reads and writes at once.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import soxr

from audiocodec.audio import QUALITY, AudioInfo
from audiocodec.errors import AudioError
from audiocodec.lengths import resampled_length
from audiocodec.soundfiles import (
    Source,
    file_format,
    open_audio,
    read_samples,
    source_name,
    writing,
)

BLOCK_SAMPLES = 1 << 19  # of the file, a channel
_WAV_BYTES = 0xFFFF0000  # a plain WAV file's size is a 32-bit number


class StreamResampler:
    """`audio.resample` of a waveform (channels, time) that arrives in pieces."""

    def __init__(self, from_rate: int, to_rate: int, channels: int) -> None:
        self._rates = from_rate, to_rate
        self._received = self._emitted = 0
        self._stream = None
        if from_rate != to_rate:
            self._stream = soxr.ResampleStream(
                from_rate, to_rate, channels, dtype="float32", quality=QUALITY
            )

    def push(self, waveform: np.ndarray, last: bool = False) -> np.ndarray:
        """The next piece to the output samples that it determines, or all if it is the `last`."""
        waveform = np.asarray(waveform, dtype=np.float32)
        if self._stream is None:
            return waveform
        columns = np.ascontiguousarray(waveform.T)
        resampled = self._stream.resample_chunk(columns, last=last).T
        self._received += waveform.shape[1]
        if last:  # soxr rounds the length
            length = resampled_length(self._received, *self._rates) - self._emitted
            missing = max(0, length - resampled.shape[1])
            resampled = np.pad(resampled[:, :length], ((0, 0), (0, missing)))
        self._emitted += resampled.shape[1]
        return np.ascontiguousarray(resampled)


class AudioReader:
    """An open audio file, to be read block by block; it stays readable if it vanishes meanwhile."""

    def __init__(self, source: Source) -> None:
        file = open_audio(source)
        self._source: Source = source
        self._file: Any = file
        self.info = AudioInfo(file.samplerate, file.frames, file.channels)
        if not self.info.num_samples:
            file.close()
            raise AudioError(f"{source_name(source)}: has no samples")

    def blocks(self, sample_rate: int | None = None, *, mono: bool = True) -> Iterator[np.ndarray]:
        """The parts (channels, time) of what `read_waveform` gives.

        The file is closed in the end; another call opens it again.

        Raises:
            AudioError: damaged, truncated, or with NaN or infinite samples.
        """
        opened, self._file = self._file or open_audio(self._source), None
        rate, total = self.info.sample_rate, self.info.num_samples
        channels = 1 if mono else self.info.num_channels
        resampler = StreamResampler(rate, sample_rate or rate, channels)
        with opened as file:
            for start in range(0, total, BLOCK_SAMPLES):
                count = min(BLOCK_SAMPLES, total - start)
                samples = read_samples(file, self._source, start, count)
                waveform = samples.mean(axis=1, keepdims=True).T if mono else samples.T
                yield resampler.push(waveform, last=start + count == total)


def write_blocks(
    path: str | Path, blocks: Iterable[np.ndarray], info: AudioInfo, subtype: str | None = None
) -> None:
    """`write_waveform` of a waveform that comes in parts (channels, time).

    Args:
        info: what the parts make up. WAV beyond 4 GiB is written in its 64-bit form, RF64.

    Raises:
        AudioError: the suffix is no format that can be written.
        CodecError: the file cannot be written.
    """
    form, default = file_format(path)
    subtype = subtype or default
    if form == "WAV" and info.num_samples * info.num_channels * _bytes(subtype) > _WAV_BYTES:
        form = "RF64"
    with (
        writing(path) as target,
        soundfile.SoundFile(
            target, "w", info.sample_rate, info.num_channels, subtype, format=form
        ) as file,
    ):
        for block in blocks:
            file.write(block.T)


def _bytes(subtype: str | None) -> int:
    return {"DOUBLE": 8, "FLOAT": 4, "PCM_32": 4, "PCM_24": 3}.get(str(subtype), 2)
