"""A model as a system under test: files to codes to files, with what that took.

Codes and waveforms are kept, and `roundtrip.jsonl` says what has been done: a run that was killed
continues where it stopped, and a file that has changed is done again.
"""

import time
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch

from audiocodec.audio import write_waveform
from audiocodec.codes import read_codes, write_codes
from audiocodec.data.segments import Span
from audiocodec.errors import AudioError
from audiocodec.files import can_name
from audiocodec.journal import Journal, key_of
from audiocodec.models.codec import Codec
from audiocodec.models.transcoder import Transcoder
from audiocodec.quantization.usage import UsageCounter


class RoundTripBase(ABC):
    """Encodes and decodes files and keeps count: seconds of audio and of work.

    Use it in a `with` block. It writes OUT/codes/ID.* and OUT/wav/ID.wav.

    Args:
        system: what has to be the same for finished work to count.
    """

    codes_suffix: str

    def __init__(self, folder: Path, *system: object) -> None:
        self.folder, self._system = folder, system
        self.audio_seconds = self.work_seconds = 0.0
        self._journal = Journal(folder / "roundtrip.jsonl")

    def __enter__(self) -> "RoundTripBase":
        self._journal.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._journal.__exit__(*error)

    def write(self, identifier: str, source: Path, span: Span | None = None) -> None:
        """Write what the system makes of `source`, or of a part of it, at its rate and length.

        As float WAV, since clipping and rounding are not part of the system under test.

        Raises:
            AudioError: the source cannot be read, or the id cannot name a file.
        """
        if not can_name(identifier):
            raise AudioError(f"{source}: its id {identifier!r} cannot name a file")
        codes_path = self.folder / "codes" / f"{identifier}{self.codes_suffix}"
        target = self.folder / "wav" / f"{identifier}.wav"
        key = key_of(*self._system, identifier, source, *([str(span)] if span else []))
        if not (key in self._journal and codes_path.is_file() and target.is_file()):
            self._journal.add(key, self._run(source, span, codes_path, target))
        took = self._journal[key]
        self.audio_seconds += took["audio_seconds"]
        self.work_seconds += took["work_seconds"]
        self._count(codes_path)

    @abstractmethod
    def _run(
        self, source: Path, span: Span | None, codes_path: Path, target: Path
    ) -> dict[str, float]:
        """Write both files; `audio_seconds` and `work_seconds`."""

    @abstractmethod
    def _count(self, codes_path: Path) -> None:
        """Count the codes of a file that `_run` has written."""

    @abstractmethod
    def threads(self, count: int | None) -> AbstractContextManager[None]:
        """Let the system use so many CPU threads inside the block; None leaves it as it is."""

    @abstractmethod
    def facts(self) -> dict[str, Any]:
        """What the system is and how it did, to be stamped into results."""

    def _speed(self) -> dict[str, Any]:
        return {
            "times_real_time": self.audio_seconds / max(self.work_seconds, 1e-9),
            "threads": torch.get_num_threads(),
        }


class RoundTrip(RoundTripBase):
    """A model of ours; codes are `.npy` files."""

    codes_suffix = ".npy"

    def __init__(self, codec: Codec, folder: Path, num_quantizers: int | None = None) -> None:
        self.codec = codec
        self.num_quantizers = codec.resolve_num_quantizers(num_quantizers)
        self.transcoder = Transcoder(codec)
        self.usage = UsageCounter(codec.codebook_sizes[: self.num_quantizers])
        beams = [f"{codec.beams} beams"] if codec.beams > 1 else []
        super().__init__(folder, self.transcoder.model_hash, self.num_quantizers, *beams)

    def threads(self, count: int | None) -> AbstractContextManager[None]:
        return self.codec.threads(count)

    def _run(
        self, source: Path, span: Span | None, codes_path: Path, target: Path
    ) -> dict[str, float]:
        sound = self.transcoder.read(source, span=span)
        start = time.perf_counter()
        coded = self.transcoder.encode([sound], self.num_quantizers)
        decoded = self.transcoder.decode(coded)[0]
        work = time.perf_counter() - start
        write_codes(codes_path, coded[0].codes, coded[0].metadata)
        write_waveform(target, decoded.restored(), sound.info.sample_rate, subtype="FLOAT")
        return {"audio_seconds": sound.duration, "work_seconds": work}

    def _count(self, codes_path: Path) -> None:
        codes = read_codes(codes_path).codes.astype("int64")
        self.usage.update(torch.from_numpy(codes).view(-1, *codes.shape[-2:]))

    def facts(self) -> dict[str, Any]:
        """Model, hash, nominal and entropy bitrate (bits/s), usage and speed."""
        stages = self.usage.per_codebook()
        return {
            "model": self.codec.name,
            "model_hash": self.transcoder.model_hash,
            "num_quantizers": self.num_quantizers,
            "beams": self.codec.beams,
            "bitrate": self.codec.bitrate(self.num_quantizers),
            "entropy_bitrate": self.codec.frame_rate * sum(stage.entropy for stage in stages),
            **self.usage.summary_scalars(),
            **self._speed(),
            "device": str(self.codec.device),
        }
