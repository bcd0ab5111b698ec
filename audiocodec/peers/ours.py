"""Our own codec, in either runtime, behind the interface of the others."""

from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor

from audiocodec.models.base import AnyCodec
from audiocodec.models.cost import Cost
from audiocodec.models.inputs import plain
from audiocodec.models.streaming import StreamDecoder, StreamEncoder
from audiocodec.peers.base import Codebook, Peer
from audiocodec.peers.weights import package_version


class Ours(Peer):
    """A model of ours; one that is causal streams."""

    def __init__(self, codec: AnyCodec, runtime: str) -> None:
        self.name, self.codec = codec.name, codec
        codebooks = [Codebook(size, codec.frame_rate) for size in codec.codebook_sizes]
        package = package_version("onnxruntime" if runtime.startswith("onnx") else "torch")
        counts = range(1, len(codebooks) + 1)
        super().__init__(codec, package, codec.sample_rate, codebooks, counts)

    def encode(self, waveform: Tensor) -> np.ndarray:
        samples = waveform[0].cpu().numpy()
        return self.codec.encode_array(samples, num_quantizers=self.num_quantizers)

    def decode(self, coded: np.ndarray) -> Tensor:
        return torch.from_numpy(self.codec.decode_array(coded)).reshape(1, -1)

    def stages(self, coded: np.ndarray) -> list[Tensor]:
        return list(torch.from_numpy(coded))

    def threads(self, count: int | None) -> AbstractContextManager[None]:
        return self.codec.threads(count)

    def costs(self, waveform: Tensor) -> tuple[int, Cost]:
        found = self.codec.costs()
        macs = found["macs_per_second_of_audio"]
        return found["parameters"]["total"], Cost(macs["encode"], macs["decode"])

    def first_codes(self, waveform: Tensor) -> tuple[int, np.ndarray] | None:
        return self._first(waveform, decode=False)

    def first_sound(self, waveform: Tensor) -> tuple[int, np.ndarray] | None:
        return self._first(waveform, decode=True)

    def _first(self, waveform: Tensor, decode: bool) -> tuple[int, np.ndarray] | None:
        """Push a frame after the other until there is something."""
        codec = self.codec
        if not (codec.encoder_causal and codec.decoder_causal):
            return None
        encoder, decoder = StreamEncoder(codec, self.num_quantizers), StreamDecoder(codec)
        pushed = 0
        for piece in waveform[0].cpu().split(codec.hop_length):
            pushed += len(piece)
            found = encoder.push(piece.numpy())
            array = np.asarray(plain(decoder.push(found) if decode else found))
            if array.size:
                return pushed, array
        return None
