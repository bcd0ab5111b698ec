"""Audio files block by block, in memory that does not grow with their length.

Blocks, resampled ones too, are exactly the parts of what audio.py reads and writes at once.
"""

from collections.abc import Generator, Iterable
from pathlib import Path

import numpy as np
import soundfile
import soxr

from audiocodec.audio import QUALITY, AudioInfo
from audiocodec.channels import Channel, ChannelChoice
from audiocodec.errors import AudioError
from audiocodec.lengths import resampled_length
from audiocodec.soundfiles.base import AudioFile
from audiocodec.soundfiles.opening import open_audio
from audiocodec.soundfiles.sources import Source
from audiocodec.soundfiles.writing import file_format, writing

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
    """An open audio file, to be read block by block; it stays readable if it vanishes meanwhile.

    Raises:
        AudioError: as `audio_info`, or there are no samples.
    """

    def __init__(self, source: Source, *, allow_truncated: bool = False) -> None:
        self._source, self._allow_truncated = source, allow_truncated
        self._file: AudioFile | None = open_audio(source, allow_truncated)
        try:
            num_samples = self._file.measure()
            if not num_samples:
                raise AudioError(f"{self._file.name}: has no samples")
        except AudioError:
            self._file.close()
            raise
        self.info = AudioInfo(self._file.sample_rate, num_samples, self._file.num_channels)

    def blocks(
        self, sample_rate: int | None = None, *, channel: Channel = "mix"
    ) -> Generator[np.ndarray, None, None]:
        """The parts (channels, time) of what `read_waveform` gives.

        The file is closed in the end; another call opens it again.

        Raises:
            AudioError: damaged, truncated, or with NaN or infinite samples.
        """
        opened = self._file or open_audio(self._source, self._allow_truncated)
        self._file = None
        rate = self.info.sample_rate
        with opened as file:
            choice = ChannelChoice(channel, file.num_channels, file.name)
            resampler = StreamResampler(rate, sample_rate or rate, choice.count)
            done, block = 0, file.read(BLOCK_SAMPLES)
            while len(block):
                done += len(block)
                following = file.read(BLOCK_SAMPLES)
                if not len(following) and done != self.info.num_samples:
                    raise AudioError(f"{file.name}: was changed while it was read")
                yield resampler.push(choice(block), last=not len(following))
                block = following
        choice.warn()

    def close(self) -> None:
        """Give the file back unread."""
        if self._file is not None:
            self._file.close()
            self._file = None


def write_blocks(
    path: str | Path, blocks: Iterable[np.ndarray], info: AudioInfo, subtype: str | None = None
) -> None:
    """`write_waveform` of a waveform that comes in parts (channels, time).

    Args:
        info: what the parts make up. WAV beyond 4 GiB is written in its 64-bit form, RF64.

    Raises:
        AudioError: the suffix is not that of a format that can be written.
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
