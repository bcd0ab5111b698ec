"""Audio files to codes and back: any rate and channel count, exact lengths, several at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from audiocodec.audio import AudioInfo, audio_info, read_waveform, resample
from audiocodec.codes import Coded, CodesMetadata
from audiocodec.errors import CodeFileError
from audiocodec.models.codec import Codec


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


class Transcoder:
    """A codec applied to whole files; reading and resampling need no torch and may be threaded."""

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.model_hash = codec.weight_hash

    def read(self, path: str | Path, keep_channels: bool = False) -> Sound:
        """The sound of an audio file, down-mixed unless `keep_channels`.

        Raises:
            AudioError: missing, unreadable, empty or not finite.
        """
        waveform = read_waveform(path, self.codec.sample_rate, mono=not keep_channels)
        return Sound(waveform, audio_info(path))

    def encode(
        self,
        sounds: Sequence[Sound],
        num_quantizers: int | None = None,
        keep_channels: bool = False,
    ) -> list[Coded]:
        """Codes of all sounds in one batch; the same as one by one."""
        lengths = [sound.waveform.shape[-1] for sound in sounds for _ in sound.waveform]
        batch = np.zeros((len(lengths), max(lengths)), dtype=np.float32)
        rows = iter(batch)
        for sound in sounds:
            for channel in sound.waveform:
                next(rows)[: len(channel)] = channel
        codes = self.codec.encode(
            batch, num_samples=torch.tensor(lengths), num_quantizers=num_quantizers
        )
        coded, row = [], 0
        for sound in sounds:
            channels = len(sound.waveform)
            metadata = self._describe(sound, codes.shape[1])
            own = codes[row : row + channels, :, : metadata.num_frames].cpu().numpy()
            coded.append(Coded(own if keep_channels else own[0], metadata))
            row += channels
        return coded

    def _describe(self, sound: Sound, num_quantizers: int) -> CodesMetadata:
        return CodesMetadata(
            model=self.codec.name,
            model_hash=self.model_hash,
            sample_rate=self.codec.sample_rate,
            hop_length=self.codec.hop_length,
            codebook_sizes=self.codec.codebook_sizes[:num_quantizers],
            num_samples=sound.waveform.shape[-1],
            source_sample_rate=sound.info.sample_rate,
            source_num_samples=sound.info.num_samples,
            source_channels=sound.info.num_channels,
        )

    def check(self, metadata: CodesMetadata, where: str) -> None:
        """Raises CodeFileError if another model made the codes that were read from `where`."""
        if metadata.model_hash != self.model_hash:
            raise CodeFileError(
                f"{where}: made by model {metadata.model!r} ({metadata.model_hash}), but this is "
                f"{self.codec.name!r} ({self.model_hash}); give that model with --model"
            )

    def decode(self, items: Sequence[Coded]) -> list[Decoded]:
        """Waveforms of all codes in one batch; the same as one by one."""
        stacks = [item.codes.reshape(-1, *item.codes.shape[-2:]) for item in items]
        if len({stack.shape[1] for stack in stacks}) > 1:  # frames can be padded, stages not
            return [decoded for item in items for decoded in self.decode([item])]
        longest = max(stack.shape[-1] for stack in stacks)
        batch = np.concatenate(
            [np.pad(stack, [(0, 0), (0, 0), (0, longest - stack.shape[-1])]) for stack in stacks]
        )
        channels = torch.tensor([len(stack) for stack in stacks])
        lengths = torch.tensor([item.metadata.num_samples for item in items])
        waveforms = self.codec.decode(batch, num_samples=lengths.repeat_interleave(channels))
        parts = torch.split(waveforms[:, 0].cpu(), channels.tolist())
        return [
            Decoded(part[:, : item.metadata.num_samples].numpy(), item.metadata)
            for part, item in zip(parts, items, strict=True)
        ]
