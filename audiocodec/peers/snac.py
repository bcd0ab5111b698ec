"""SNAC (arXiv:2410.14411): codebooks of several frame rates, by its own package."""

from pathlib import Path
from typing import Any

from torch import Tensor

from audiocodec.errors import ModelError
from audiocodec.extras import extra
from audiocodec.peers.base import Codebook, Peer
from audiocodec.peers.weights import building, package_version, read_state

_SPEECH: dict[str, Any] = {  # the published 24 kHz model
    "sampling_rate": 24_000,
    "encoder_dim": 48,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_dim": 1024,
    "decoder_rates": [8, 8, 4, 2],
    "attn_window_size": None,
    "vq_strides": [4, 2, 1],
}


class Snac(Peer):
    """The package's `SNAC`, whose codebooks are used all or not at all."""

    name = "snac"

    def __init__(self, model: Any) -> None:
        rate = model.sampling_rate / float(model.hop_length)
        codebooks = [Codebook(model.codebook_size, rate / stride) for stride in model.vq_strides]
        version = package_version("snac")
        super().__init__(model, version, model.sampling_rate, codebooks, [len(codebooks)])

    def encode(self, waveform: Tensor) -> Any:
        return self.model.encode(waveform.unsqueeze(0))

    def decode(self, coded: Any) -> Tensor:
        decoded: Tensor = self.model.decode(coded)[0]
        return decoded

    def stages(self, coded: Any) -> list[Tensor]:
        return [codes[0] for codes in coded]


def load(folder: Path | None) -> Peer:
    """The model of a folder (`config.json`, `pytorch_model.bin`), else the 24 kHz one, random."""
    with building(folder):
        with extra("peers"):
            from snac import SNAC
        if folder is None:
            return Snac(SNAC(**_SPEECH))
        config, weights = folder / "config.json", folder / "pytorch_model.bin"
        if not (config.is_file() and weights.is_file()):
            raise ModelError(f"{folder}: SNAC needs config.json and pytorch_model.bin there")
        model = SNAC.from_config(config)
        model.load_state_dict(read_state(weights))
        return Snac(model)
