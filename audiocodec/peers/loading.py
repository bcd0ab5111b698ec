"""The table of other codecs, and how one is loaded by its name."""

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from audiocodec.errors import ConfigError, ModelError
from audiocodec.peers.base import Peer

PEERS = ("encodec", "dac", "snac", "mimi", "vocos")  # each the module that has its `load`


@dataclass(frozen=True)
class PeerOptions:
    """Which codec, with what: weights None are random; numbers None are the codec's defaults."""

    name: str
    weights: Path | None = None
    num_quantizers: int | None = None
    bandwidth: float | None = None  # kbit/s
    device: str = "cpu"

    def load(self) -> Peer:
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


def check_names(names: Iterable[str]) -> None:
    """Raises ConfigError if one of `names` is no codec that we know."""
    for name in names:
        if name not in PEERS:
            raise ConfigError(f"no codec {name!r}; there are {', '.join(PEERS)}")
