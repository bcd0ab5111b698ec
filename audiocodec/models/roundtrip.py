"""A model as a system under test: files to codes to files, with what that took."""

import time
from pathlib import Path
from typing import Any

import torch

from audiocodec.audio import write_waveform
from audiocodec.models.codec import Codec
from audiocodec.models.transcoder import Transcoder
from audiocodec.quantization.usage import UsageCounter


class RoundTrip:
    """Encodes and decodes files and keeps count: codes used, seconds of audio and of work."""

    def __init__(self, codec: Codec, num_quantizers: int | None = None) -> None:
        self.codec, self.num_quantizers = codec, num_quantizers
        self.transcoder = Transcoder(codec)
        self.usage = UsageCounter(codec.codebook_sizes[: num_quantizers or codec.num_quantizers])
        self.audio_seconds = self.work_seconds = 0.0

    def write(self, source: Path, target: Path) -> None:
        """Write what the model makes of `source`, at its rate and length, as float WAV.

        Float, since clipping and quantising are no part of the system under test.

        Raises:
            AudioError: the source cannot be read.
        """
        sound = self.transcoder.read(source)
        start = time.perf_counter()
        coded = self.transcoder.encode([sound], self.num_quantizers)
        decoded = self.transcoder.decode(coded)[0]
        self.work_seconds += time.perf_counter() - start
        self.audio_seconds += sound.duration
        self.usage.update(torch.from_numpy(coded[0].codes.astype("int64")).unsqueeze(0))
        write_waveform(target, decoded.restored(), sound.info.sample_rate, subtype="FLOAT")

    def facts(self) -> dict[str, Any]:
        """Model, hash, nominal and entropy bitrate (bits/s), usage and speed."""
        stages = self.usage.stages()
        return {
            "model": self.codec.name,
            "model_hash": self.transcoder.model_hash,
            "num_quantizers": len(stages),
            "bitrate": self.codec.bitrate(len(stages)),
            "entropy_bitrate": self.codec.frame_rate * sum(stage.entropy for stage in stages),
            **self.usage.summary_scalars(),
            "times_real_time": self.audio_seconds / max(self.work_seconds, 1e-9),
        }
