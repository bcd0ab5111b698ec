"""Audio of any length in blocks, in memory that does not grow with it.

A channel is a stream (streaming.py) and blocks are its pieces, so codes and waveform are those of
the whole whatever the size of the blocks; there is no overlap and no seam.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from audiocodec.audio import AudioInfo
from audiocodec.audio_blocks import AudioReader, StreamResampler, write_blocks
from audiocodec.channels import Channel
from audiocodec.codes import Coded
from audiocodec.containers.metadata import smallest_dtype
from audiocodec.errors import CodecError
from audiocodec.lengths import resampled_length
from audiocodec.models.base import BLOCK_FRAMES, AnyCodec
from audiocodec.models.streaming import StreamDecoder, StreamEncoder, rows_of


def encode_blocks(
    codec: AnyCodec, blocks: Iterable[np.ndarray], num_quantizers: int | None = None
) -> Iterator[np.ndarray]:
    """Waveform blocks (channels, time) at the codec's rate to blocks of codes.

    Yields:
        (channels, num_quantizers, frames), the smallest unsigned type; 0 frames are possible.

    Raises:
        ConfigError: an encoder that needs the whole waveform.
    """
    dtype = smallest_dtype(codec.codebook_sizes)
    encoders: list[StreamEncoder[Any]] = []
    for block in blocks:
        encoders = encoders or [StreamEncoder(codec, num_quantizers) for _ in block]
        yield rows_of(StreamEncoder.push_each(encoders, list(block))).astype(dtype)
    if encoders:
        yield rows_of(StreamEncoder.flush_each(encoders)).astype(dtype)


def decode_blocks(codec: AnyCodec, codes: np.ndarray, num_samples: int) -> Iterator[np.ndarray]:
    """Codes (channels, num_quantizers, frames) to waveform blocks of `num_samples` in all.

    Yields:
        (channels, time), float32, at the codec's rate; 0 samples are possible.

    Raises:
        ConfigError: a decoder that needs the whole utterance.
        CodeFileError: codes out of range.
    """
    decoders = [StreamDecoder(codec) for _ in codes]
    for start in range(0, codes.shape[-1], BLOCK_FRAMES):
        pieces = [channel[:, start : start + BLOCK_FRAMES] for channel in codes]
        left = num_samples - start * codec.hop_length
        length = min(left, pieces[0].shape[1] * codec.hop_length)
        yield rows_of(StreamDecoder.push_each(decoders, pieces, [length] * len(pieces)))
    yield rows_of(StreamDecoder.flush_each(decoders))


def _unless(stopped: Event, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    for block in blocks:
        if stopped.is_set():
            raise CodecError("stopped before it was done")
        yield block


@dataclass(frozen=True)
class LongSound:
    """An audio file that is too long to be read at once; it is read while it is encoded."""

    reader: AudioReader
    stopped: Event = field(default_factory=Event)  # when set, encoding gives up

    @property
    def info(self) -> AudioInfo:
        return self.reader.info

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.info.num_samples / self.info.sample_rate

    def encode(
        self, codec: AnyCodec, num_quantizers: int | None = None, channel: Channel = "mix"
    ) -> np.ndarray:
        """Its codes (channels, num_quantizers, frames); one channel unless `channel` is "each".

        Raises:
            AudioError: damaged, truncated, or with NaN or infinite samples.
        """
        info = self.info
        num_samples = resampled_length(info.num_samples, info.sample_rate, codec.sample_rate)
        frames = -(-num_samples // codec.hop_length)
        # One array: many small ones, kept between large temporary ones, would fragment the heap.
        channels = info.num_channels if channel == "each" else 1
        shape = (channels, codec.resolve_num_quantizers(num_quantizers), frames)
        codes = np.empty(shape, dtype=smallest_dtype(codec.codebook_sizes))
        done = 0
        read = self.reader.blocks(codec.sample_rate, channel=channel)
        blocks = _unless(self.stopped, read)
        for part in encode_blocks(codec, blocks, num_quantizers):
            codes[..., done : done + part.shape[-1]] = part
            done += part.shape[-1]
        assert done == frames
        return codes


@dataclass(frozen=True)
class LongDecoded:
    """Codes whose waveform is too long to be held; it is made while it is written."""

    codec: AnyCodec
    coded: Coded
    stopped: Event = field(default_factory=Event)  # when set, decoding gives up

    def blocks(self) -> Iterator[np.ndarray]:
        """The waveform (channels, time) at the source's rate, of exactly its length, in parts."""
        codes, metadata = self.coded
        channels = codes.reshape(-1, *codes.shape[-2:])
        rates = metadata.sample_rate, metadata.source_sample_rate
        resampler = StreamResampler(*rates, len(channels))
        left = metadata.source_num_samples
        decoded = decode_blocks(self.codec, channels, metadata.num_samples)
        for block in _unless(self.stopped, decoded):
            resampled = resampler.push(block)[:, :left]
            left -= resampled.shape[1]
            yield resampled
        rest = resampler.push(block[:, :0], last=True)[:, :left]
        yield np.pad(rest, ((0, 0), (0, left - rest.shape[1])))

    def restored(self) -> np.ndarray:
        """All of it at once."""
        return np.concatenate(list(self.blocks()), axis=1)

    def write(self, path: str | Path) -> None:
        """Write an audio file, whole or not at all."""
        codes, metadata = self.coded
        channels = len(codes) if codes.ndim == 3 else 1
        info = AudioInfo(metadata.source_sample_rate, metadata.source_num_samples, channels)
        write_blocks(path, self.blocks(), info)
