"""Mimi (arXiv:2410.00037), by transformers; its encoder streams there, its decoder does not."""

from pathlib import Path
from typing import Any

from torch import Tensor

from audiocodec.errors import ModelError
from audiocodec.peers.base import Codebook, Peer
from audiocodec.peers.hugging_face import transformers_folder, transformers_model
from audiocodec.peers.weights import building, package_version

_DEFAULT_COUNT = 8  # with which Moshi uses it: 1.1 kbit/s


class Mimi(Peer):
    """The `MimiModel` of transformers."""

    name = "mimi"

    def __init__(self, model: Any) -> None:
        config = model.config
        codebooks = [Codebook(config.codebook_size, config.frame_rate)] * config.num_quantizers
        counts = range(config.num_semantic_quantizers, config.num_quantizers + 1)
        version, default = package_version("transformers"), min(_DEFAULT_COUNT, counts[-1])
        super().__init__(model, version, config.sampling_rate, codebooks, counts, default)

    def encode(self, waveform: Tensor) -> Any:
        values = waveform.unsqueeze(0)
        return self.model.encode(values, num_quantizers=self.num_quantizers).audio_codes

    def decode(self, coded: Any) -> Tensor:
        decoded: Tensor = self.model.decode(coded).audio_values[0]
        return decoded

    def stages(self, coded: Any) -> list[Tensor]:
        return list(coded[0])

    def first_codes(self, waveform: Tensor) -> tuple[int, Any]:
        frame = round(self.sample_rate / self.model.config.frame_rate)
        first = waveform[None, :, :frame]
        kwargs = {"num_quantizers": self.num_quantizers, "use_streaming": True}
        return frame, self.model.encode(first, **kwargs).audio_codes


def load(folder: Path | None) -> Peer:
    """The model of a folder as transformers has it; without one, the published one, random."""
    with building(folder):
        if folder is not None and not transformers_folder(folder, "mimi"):
            raise ModelError(
                f"{folder}: Mimi needs config.json and model.safetensors of transformers there "
                "(kyutai/mimi on the Hugging Face hub)"
            )
        return Mimi(transformers_model("Mimi", folder))
