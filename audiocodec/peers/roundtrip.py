"""Another codec as a system under test: files to codes to files of exactly their length."""

import hashlib
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from audiocodec.audio import Audio, read_audio, resample, write_waveform
from audiocodec.data.segments import Span, read_span
from audiocodec.errors import AudioError, one_line
from audiocodec.files import atomic_path, sha256_of
from audiocodec.models.roundtrip import RoundTripBase
from audiocodec.peers.loading import PeerOptions
from audiocodec.quantization.usage import UsageCounter


class PeerRoundTrip(RoundTripBase):
    """A peer with local weights; codes are `.npz` files, an array `stage_N` for each codebook."""

    codes_suffix = ".npz"

    def __init__(self, options: PeerOptions, folder: Path) -> None:
        assert options.weights is not None, "random weights have no quality"
        self.options, self.peer = options, options.load()
        self.usage = UsageCounter([book.size for book in self.peer.codebooks])
        self.digest = _digest(options.weights)
        system = (options.name, self.peer.package, self.digest, self.peer.num_quantizers)
        super().__init__(folder, *system)

    def threads(self, count: int | None) -> AbstractContextManager[None]:
        return self.peer.threads(count)

    def _run(
        self, source: Path, span: Span | None, codes_path: Path, target: Path
    ) -> dict[str, float]:
        rate = self.peer.sample_rate
        audio = read_audio(source, rate) if span is None else read_span(source, span, rate)
        start = time.perf_counter()
        try:
            codes, decoded = self._code(audio)
        except Exception as error:  # packages have their own ways to refuse a file
            reason = one_line(error)[:200] or type(error).__name__
            raise AudioError(f"{source}: {self.options.name} cannot code it: {reason}") from error
        work = time.perf_counter() - start
        with atomic_path(codes_path) as path:
            named: dict[str, Any] = {f"stage_{n}": stage for n, stage in enumerate(codes)}
            np.savez(path, **named)
        info = audio.info
        restored = fitted(resample(decoded, rate, info.sample_rate), info.num_samples)
        write_waveform(target, restored, info.sample_rate, subtype="FLOAT")
        return {"audio_seconds": info.num_samples / info.sample_rate, "work_seconds": work}

    @torch.inference_mode()
    def _code(self, audio: Audio) -> tuple[list[np.ndarray], np.ndarray]:
        """Codes by stage, and one channel (1, time) as long as that of `audio`."""
        peer, num_samples = self.peer, audio.waveform.shape[-1]
        mono = torch.from_numpy(audio.waveform)
        waveform = mono.expand(peer.num_channels, -1).to(self.options.device)
        # Packages refuse less than a frame or so; zeros after the end change nothing before it.
        padded = F.pad(waveform, (0, max(0, peer.sample_rate // 10 - num_samples)))
        coded = peer.encode(padded)
        stages = [stage.cpu().numpy().astype(np.uint16) for stage in peer.stages(coded)]
        decoded = peer.decode(coded).float().mean(0, keepdim=True).cpu().numpy()
        return stages, fitted(decoded, num_samples)

    def _count(self, codes_path: Path) -> None:
        with np.load(codes_path) as stages:
            for counts, name in zip(self.usage.counts, sorted(stages, key=_number), strict=True):
                codes = torch.from_numpy(stages[name].astype(np.int64))
                counts += torch.bincount(codes, minlength=len(counts))

    def facts(self) -> dict[str, Any]:
        """Package, weights, nominal and entropy bitrate (bits/s), usage and speed."""
        peer, stages = self.peer, self.usage.per_codebook()
        rates = zip(peer.codebooks, stages, strict=True)
        coded: dict[str, Any] = {}
        if stages:
            coded = {
                "num_quantizers": peer.num_quantizers,
                "bitrate": peer.bitrate,
                "entropy_bitrate": sum(book.rate * usage.entropy for book, usage in rates),
                **self.usage.summary_scalars(),
            }
        return {
            "model": self.options.name,
            "model_hash": self.digest,
            "package": peer.package,
            "weights": str(self.options.weights),
            **coded,
            **self._speed(),
            "device": self.options.device,
        }


def fitted(waveform: np.ndarray, num_samples: int) -> np.ndarray:
    """The waveform (channels, time) cut, or with zeros after it, to `num_samples`."""
    missing = max(0, num_samples - waveform.shape[-1])
    return np.pad(waveform[..., :num_samples], [(0, 0), (0, missing)])


def _digest(folder: Path) -> str:
    """Of every file of a folder of weights, by name and content."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    text = "\n".join(f"{path.name} {sha256_of(path)}" for path in files)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _number(name: str) -> int:
    return int(name.removeprefix("stage_"))
