"""Audio files to codes and back: any rate and channel count, exact lengths, several at once."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

import numpy as np

from audiocodec.audio import AudioInfo, resample, write_waveform
from audiocodec.audio_blocks import AudioReader
from audiocodec.channels import Channel
from audiocodec.codes import Coded, CodesMetadata
from audiocodec.containers.stream import StreamHeader
from audiocodec.data.segments import Span, read_span
from audiocodec.errors import CodeFileError
from audiocodec.lengths import resampled_length
from audiocodec.models.base import AnyCodec
from audiocodec.models.chunking import LongDecoded, LongSound
from audiocodec.models.former import where_to_get
from audiocodec.soundfiles.sources import Source

LONG_SECONDS = 60.0  # longer files are never held as a whole


@dataclass(frozen=True)
class Sound:
    """waveform: (channels, time) float32 at the codec's rate; info: of the file it came from."""

    waveform: np.ndarray
    info: AudioInfo

    @property
    def duration(self) -> float:
        """Seconds."""
        return self.info.num_samples / self.info.sample_rate


@dataclass(frozen=True)
class Decoded:
    """waveform: (channels, metadata.num_samples) float32 at the codec's rate."""

    waveform: np.ndarray
    metadata: CodesMetadata

    def restored(self) -> np.ndarray:
        """The waveform at the source's rate, of exactly its length."""
        metadata, num_samples = self.metadata, self.metadata.source_num_samples
        resampled = resample(self.waveform, metadata.sample_rate, metadata.source_sample_rate)
        missing = max(0, num_samples - resampled.shape[-1])
        return np.pad(resampled[..., :num_samples], [(0, 0), (0, missing)])

    def write(self, path: str | Path) -> None:
        """Write an audio file, whole or not at all."""
        write_waveform(path, self.restored(), self.metadata.source_sample_rate)


class Transcoder:
    """A codec, of any runtime, applied to whole files; all of it may be threaded."""

    def __init__(self, codec: AnyCodec) -> None:
        self.codec = codec
        self.model_hash = codec.weight_hash
        self.stopped = Event()  # when set, what is under way with long files gives up

    def read(
        self,
        source: Source,
        channel: Channel = "mix",
        *,
        span: Span | None = None,
        allow_truncated: bool = False,
    ) -> Sound | LongSound:
        """The sound of an audio file, or of a `span` of it; a long file is only opened.

        Args:
            source, channel, allow_truncated: as of `audio.read_audio`.

        Raises:
            AudioError: missing, unreadable, truncated, empty or not finite.
        """
        if span is not None:
            part = read_span(source, span, self.codec.sample_rate, channel, allow_truncated)
            return Sound(part.waveform, part.info)
        reader = AudioReader(source, allow_truncated=allow_truncated)
        info = reader.info
        if info.num_samples > LONG_SECONDS * info.sample_rate and self.codec.encoder_causal:
            return LongSound(reader, self.stopped)
        with contextlib.closing(reader):
            blocks = list(reader.blocks(self.codec.sample_rate, channel=channel))
        return Sound(np.concatenate(blocks, axis=1), info)

    def encode(
        self,
        sounds: Sequence[Sound | LongSound],
        num_quantizers: int | None = None,
        channel: Channel = "mix",
    ) -> list[Coded]:
        """Codes of all sounds, the short ones in one batch; the same as one by one."""
        short = [sound for sound in sounds if isinstance(sound, Sound)]
        batch = iter(self._encode_batch(short, num_quantizers)) if short else iter(())
        coded = []
        for sound in sounds:
            if isinstance(sound, Sound):
                codes = next(batch)
            else:
                codes = sound.encode(self.codec, num_quantizers, channel)
            metadata = self._describe(sound.info, codes.shape[1])
            coded.append(Coded(codes if channel == "each" else codes[0], metadata))
        return coded

    def _encode_batch(
        self, sounds: Sequence[Sound], num_quantizers: int | None
    ) -> Iterator[np.ndarray]:
        """Of each sound the codes (channels, num_quantizers, frames)."""
        lengths = [sound.waveform.shape[-1] for sound in sounds for _ in sound.waveform]
        batch = np.zeros((len(lengths), max(lengths)), dtype=np.float32)
        rows = iter(batch)
        for sound in sounds:
            for channel in sound.waveform:
                next(rows)[: len(channel)] = channel
        codes = self.codec.encode_array(
            batch, num_samples=np.array(lengths), num_quantizers=num_quantizers
        )
        row = 0
        for sound in sounds:
            channels, num_samples = sound.waveform.shape
            frames = -(-num_samples // self.codec.hop_length)
            yield codes[row : row + channels, :, :frames]
            row += channels

    def _describe(self, info: AudioInfo, num_quantizers: int) -> CodesMetadata:
        rate = self.codec.sample_rate
        return CodesMetadata(
            model=self.codec.name,
            model_hash=self.model_hash,
            sample_rate=rate,
            hop_length=self.codec.hop_length,
            codebook_sizes=self.codec.codebook_sizes[:num_quantizers],
            num_samples=resampled_length(info.num_samples, info.sample_rate, rate),
            source_sample_rate=info.sample_rate,
            source_num_samples=info.num_samples,
            source_channels=info.num_channels,
        )

    def check(self, metadata: CodesMetadata | StreamHeader, where: str) -> None:
        """Raises CodeFileError if another model made the codes that were read from `where`."""
        if metadata.model_hash != self.model_hash:
            raise CodeFileError(
                f"{where}: made by model {metadata.model!r} ({metadata.model_hash}), but this is "
                f"{self.codec.name!r} ({self.model_hash}); give that model with --model"
                f"{where_to_get(metadata.model_hash)}"
            )

    def decode(self, items: Sequence[Coded]) -> list[Decoded | LongDecoded]:
        """Waveforms of all codes, the short ones in one batch; the same as one by one."""
        long = [self.codec.decoder_causal and _is_long(item.metadata) for item in items]
        short = [item for item, is_long in zip(items, long, strict=True) if not is_long]
        batch = iter(self._decode_batch(short))
        return [
            LongDecoded(self.codec, item, self.stopped) if is_long else next(batch)
            for item, is_long in zip(items, long, strict=True)
        ]

    def _decode_batch(self, items: Sequence[Coded]) -> list[Decoded]:
        stacks = [item.codes.reshape(-1, *item.codes.shape[-2:]) for item in items]
        if len({stack.shape[1] for stack in stacks}) > 1:  # frames can be padded, stages not
            return [decoded for item in items for decoded in self._decode_batch([item])]
        if not items:
            return []
        longest = max(stack.shape[-1] for stack in stacks)
        batch = np.concatenate(
            [np.pad(stack, [(0, 0), (0, 0), (0, longest - stack.shape[-1])]) for stack in stacks]
        )
        channels = np.array([len(stack) for stack in stacks])
        lengths = np.array([item.metadata.num_samples for item in items])
        waveforms = self.codec.decode_array(batch, num_samples=lengths.repeat(channels))
        parts = np.split(waveforms[:, 0], channels.cumsum()[:-1])
        return [
            Decoded(part[:, : item.metadata.num_samples], item.metadata)
            for part, item in zip(parts, items, strict=True)
        ]


def _is_long(metadata: CodesMetadata) -> bool:
    return metadata.num_samples > LONG_SECONDS * metadata.sample_rate
