"""The Descript audio codec (arXiv:2306.06546), by its own package or by transformers."""

import importlib
from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from audiocodec.errors import MissingPackage, ModelError
from audiocodec.peers.base import Codebook, Peer
from audiocodec.peers.hugging_face import transformers_folder, transformers_model
from audiocodec.peers.weights import building, only_file, package_version, read_state

_STRIDES = (2, 4, 5, 8)  # of the published 24 kHz model, which has 32 codebooks
_NUM_CODEBOOKS = 32
_RATE = 24_000


class Dac(Peer):
    """The package's `DAC`, on whole signals and without its normalization of loudness."""

    name = "dac"

    def __init__(self, model: Any) -> None:
        rate, self.hop_length = model.sample_rate, int(model.hop_length)
        codebooks = [Codebook(model.codebook_size, rate / self.hop_length)] * model.n_codebooks
        counts = range(1, model.n_codebooks + 1)
        super().__init__(model, package_version("descript-audio-codec"), rate, codebooks, counts)

    def encode(self, waveform: Tensor) -> Any:
        padded = to_multiple(waveform, self.hop_length).unsqueeze(0)
        return self.model.encode(padded, self.num_quantizers)[1]

    def decode(self, coded: Any) -> Tensor:
        decoded: Tensor = self.model.decode(self.model.quantizer.from_codes(coded)[0])[0]
        return decoded

    def stages(self, coded: Any) -> list[Tensor]:
        return list(coded[0])


class DacOfTransformers(Peer):
    """The `DacModel` of transformers, used in the same way."""

    name = "dac"

    def __init__(self, model: Any) -> None:
        config = model.config
        rate, self.hop_length = config.sampling_rate, config.hop_length
        codebooks = [Codebook(config.codebook_size, rate / self.hop_length)] * config.n_codebooks
        counts = range(1, config.n_codebooks + 1)
        super().__init__(model, package_version("transformers"), rate, codebooks, counts)

    def encode(self, waveform: Tensor) -> Any:
        padded = to_multiple(waveform, self.hop_length).unsqueeze(0)
        return self.model.encode(padded, n_quantizers=self.num_quantizers).audio_codes

    def decode(self, coded: Any) -> Tensor:
        decoded: Tensor = self.model.decode(audio_codes=coded).audio_values
        return decoded

    def stages(self, coded: Any) -> list[Tensor]:
        return list(coded[0])


def load(folder: Path | None) -> Peer:
    """The model of a folder (`weights*.pth` of the package, or a transformers model).

    Without a folder, the 24 kHz model with random weights: in the package if it is installed, else
    in transformers, which has the same network.
    """
    with building(folder):
        if folder is None:
            return _random()
        if transformers_folder(folder, "dac"):
            return DacOfTransformers(transformers_model("Dac", folder))
        path = only_file(folder, "*.pth")
        if path is None:
            raise ModelError(
                f"{folder}: has no weights of DAC: weights*.pth, or config.json and "
                "model.safetensors of transformers"
            )
        saved = read_state(path)
        model = _package().DAC(**saved["metadata"]["kwargs"])
        model.load_state_dict(saved["state_dict"])
        return Dac(model)


def _random() -> Peer:
    try:
        package = _package()
    except MissingPackage:
        ratios = {"downsampling_ratios": list(_STRIDES), "n_codebooks": _NUM_CODEBOOKS}
        return DacOfTransformers(transformers_model("Dac", None, sampling_rate=_RATE, **ratios))
    strides = {"encoder_rates": list(_STRIDES), "decoder_rates": list(_STRIDES[::-1])}
    return Dac(package.DAC(sample_rate=_RATE, n_codebooks=_NUM_CODEBOOKS, **strides))


def _package() -> Any:
    """The package, which no extra can have: it asks for a protobuf that others are too new for.

    Raises:
        MissingPackage: it is not installed or does not load.
    """
    try:
        return importlib.import_module("dac")
    except (ImportError, TypeError) as error:  # old protobuf raises a TypeError when imported
        name = "descript-audio-codec"
        raise MissingPackage(
            f"DAC's own weights need {name} ({error}): docs/peers.md says how to install it"
        ) from None


def to_multiple(waveform: Tensor, step: int) -> Tensor:
    """The waveform (channels, time) with zeros after it, to a multiple of `step` samples."""
    return F.pad(waveform, (0, -waveform.shape[-1] % step))
