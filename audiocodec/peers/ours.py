"""Our own codec behind the interface of the others."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from audiocodec._version import __version__
from audiocodec.extras import DISTRIBUTION
from audiocodec.models.bundle import load_codec
from audiocodec.models.codec import Codec
from audiocodec.models.folders import DEFAULT_MODEL
from audiocodec.models.streaming import StreamDecoder, StreamEncoder
from audiocodec.peers.base import Codebook, Peer


@dataclass(frozen=True)
class OurOptions:
    """Which model, where."""

    model: str | None = None
    device: str = "cpu"

    def load(self) -> Peer:
        """The model behind the interface of the others."""
        return Ours(load_codec(self.model or DEFAULT_MODEL, self.device, "torch"))


class Ours(Peer):
    """A `Codec`; one that is causal streams."""

    def __init__(self, codec: Codec) -> None:
        self.name = codec.name
        codebooks = [Codebook(size, codec.frame_rate) for size in codec.codebook_sizes]
        counts = range(1, len(codebooks) + 1)
        package = f"{DISTRIBUTION} {__version__}"
        super().__init__(codec, package, codec.sample_rate, codebooks, counts)

    def encode(self, waveform: Tensor) -> Any:
        return self.model.encode(waveform[0], num_quantizers=self.num_quantizers)

    def decode(self, coded: Any) -> Tensor:
        decoded: Tensor = self.model.decode(coded)
        return decoded.reshape(1, -1)

    def stages(self, coded: Any) -> list[Tensor]:
        return list(coded)

    def first_codes(self, waveform: Tensor) -> tuple[int, Tensor] | None:
        return self._first(waveform, decode=False)

    def first_sound(self, waveform: Tensor) -> tuple[int, Tensor] | None:
        return self._first(waveform, decode=True)

    def _first(self, waveform: Tensor, decode: bool) -> tuple[int, Tensor] | None:
        """Push a frame after the other until there is something."""
        codec = self.model
        if not (codec.encoder_causal and codec.decoder_causal):
            return None
        encoder, decoder = StreamEncoder(codec, self.num_quantizers), StreamDecoder(codec)
        pushed = 0
        for piece in waveform[0].split(codec.hop_length):
            pushed += len(piece)
            found = encoder.push(piece)
            found = decoder.push(found) if decode else found
            if found.numel():
                return pushed, found
        return None
