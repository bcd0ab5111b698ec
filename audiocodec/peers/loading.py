"""The table of other codecs, and what loads one of them, or ours, in this process or in another.

Imports no PyTorch itself, so that the memory of a process without it can be measured.
"""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from audiocodec.audio import read_waveform
from audiocodec.environment import peak_memory
from audiocodec.errors import ConfigError, ModelError
from audiocodec.models.bundle import load_codec

if TYPE_CHECKING:
    from audiocodec.peers.base import Peer

PEERS = ("encodec", "dac", "snac", "mimi", "vocos")  # each the module that has its `load`


class Loader(Protocol):
    """Loads a codec; can be pickled."""

    def load(self) -> "Peer":
        """The codec, to be measured."""

    def code(self, audio: Path, threads: int) -> None:
        """Load it, and encode and decode a file once."""


@dataclass(frozen=True)
class PeerOptions:
    """Which codec, with what: weights None are random; numbers None are the codec's defaults."""

    name: str
    weights: Path | None = None
    num_quantizers: int | None = None
    bandwidth: float | None = None  # kbit/s
    device: str = "cpu"

    def load(self) -> "Peer":
        """The codec, on its device.

        Raises:
            MissingPackage: its package is not installed.
            ModelError: the folder is missing, or its weights cannot be used.
            ConfigError: it was not made for so many quantizers or this bandwidth.
        """
        check_names([self.name])
        if self.weights is not None and not self.weights.is_dir():
            raise ModelError(f"{self.weights}: no such folder; {self.name}'s weights lie in one")
        peer: Peer = importlib.import_module(f"audiocodec.peers.{self.name}").load(self.weights)
        peer.choose(self.num_quantizers, self.bandwidth)
        peer.model.to(self.device)
        return peer

    def code(self, audio: Path, threads: int) -> None:
        import torch

        peer = self.load()
        mono = torch.from_numpy(read_waveform(audio, peer.sample_rate))
        waveform = mono.expand(peer.num_channels, -1).to(self.device)
        with torch.inference_mode(), peer.threads(threads):
            peer.decode(peer.encode(waveform))


@dataclass(frozen=True)
class OurOptions:
    """Which model of ours, where, and what runs it."""

    model: str
    device: str = "cpu"
    runtime: str = "torch"

    def load(self) -> "Peer":
        """The model behind the interface of the others."""
        from audiocodec.peers.ours import Ours

        return Ours(load_codec(self.model, self.device, runtime=self.runtime), self.runtime)

    def code(self, audio: Path, threads: int) -> None:
        codec = load_codec(self.model, self.device, runtime=self.runtime)
        waveform = read_waveform(audio, codec.sample_rate)[0]
        with codec.threads(threads):
            codec.decode_array(codec.encode_array(waveform))


def peak_of(loader: Loader, audio: Path, threads: int) -> int | None:
    """The most memory (bytes) of this process, which does nothing else; None: not known."""
    loader.code(audio, threads)
    return peak_memory()


def check_names(names: Iterable[str]) -> None:
    """Raises ConfigError if one of `names` is no codec that we know."""
    for name in names:
        if name not in PEERS:
            raise ConfigError(f"no codec {name!r}; there are {', '.join(PEERS)}")
