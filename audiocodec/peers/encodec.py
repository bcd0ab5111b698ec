"""EnCodec (arXiv:2210.13438), by its own package or by transformers."""

import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiocodec.errors import ModelError
from audiocodec.extras import extra
from audiocodec.peers.base import Codebook, Peer
from audiocodec.peers.hugging_face import transformers_folder, transformers_model
from audiocodec.peers.weights import building, only_file, package_version, read_state

_DEFAULT_BITRATE = 6000  # of the published samples; both models have it


class Encodec(Peer):
    """The package's `EncodecModel`; the 48 kHz model codes seconds apart and has two channels."""

    name = "encodec"

    def __init__(self, model: Any, package: str = "encodec") -> None:
        bits = math.log2(model.quantizer.bins)
        codebooks = [Codebook(model.quantizer.bins, model.frame_rate)] * model.quantizer.n_q
        counts = [int(1000 * b / (bits * model.frame_rate)) for b in model.target_bandwidths]
        default = int(_DEFAULT_BITRATE / (bits * model.frame_rate))
        version, channels = package_version(package), model.channels
        super().__init__(
            model, version, model.sample_rate, codebooks, counts, default, num_channels=channels
        )
        self._bandwidths = dict(zip(counts, model.target_bandwidths, strict=True))

    def encode(self, waveform: Tensor) -> Any:
        self.model.set_target_bandwidth(self._bandwidths[self.num_quantizers])
        return self.model.encode(waveform.unsqueeze(0))

    def decode(self, coded: Any) -> Tensor:
        decoded: Tensor = self.model.decode(coded)[0]
        return decoded

    def stages(self, coded: Any) -> list[Tensor]:
        parts = zip(*(codes[0] for codes, _ in coded), strict=True)  # of each stage all seconds
        return [torch.cat(part) for part in parts]


class EncodecOfTransformers(Peer):
    """The `EncodecModel` of transformers."""

    name = "encodec"

    def __init__(self, model: Any) -> None:
        config = model.config
        bits = config.frame_rate * math.log2(config.codebook_size)
        codebooks = [Codebook(config.codebook_size, config.frame_rate)] * config.num_quantizers
        counts = [int(1000 * bandwidth // bits) for bandwidth in config.target_bandwidths]
        self._bandwidths = dict(zip(counts, config.target_bandwidths, strict=True))
        default = int(_DEFAULT_BITRATE // bits)
        super().__init__(
            model,
            package_version("transformers"),
            config.sampling_rate,
            codebooks,
            counts,
            default if default in counts else None,
            config.audio_channels,
        )

    def encode(self, waveform: Tensor) -> Any:
        bandwidth = self._bandwidths[self.num_quantizers]
        return self.model.encode(waveform.unsqueeze(0), bandwidth=bandwidth)

    def decode(self, coded: Any) -> Tensor:
        padding = getattr(coded, "last_frame_pad_length", None)
        more = {"last_frame_pad_length": padding} if padding else {}
        decoded: Tensor = self.model.decode(coded.audio_codes, coded.audio_scales, **more)[0]
        return decoded[0]

    def stages(self, coded: Any) -> list[Tensor]:
        return [codes.flatten() for codes in coded.audio_codes[:, 0].transpose(0, 1)]


def load(folder: Path | None) -> Peer:
    """The model of a folder (`encodec_24khz-*.th`, `encodec_48khz-*.th` or a transformers model).

    Without a folder, the 24 kHz model with random weights.
    """
    with building(folder):
        if folder is not None and transformers_folder(folder, "encodec"):
            return EncodecOfTransformers(transformers_model("Encodec", folder))
        path = folder and only_file(folder, "encodec_24khz*.th", "encodec_48khz*.th")
        if folder is not None and path is None:
            raise ModelError(
                f"{folder}: has no weights of EnCodec: encodec_24khz-*.th, encodec_48khz-*.th, or "
                "config.json and model.safetensors of transformers"
            )
        return Encodec(encodec_model(path))


def encodec_model(path: Path | None) -> Any:
    """The package's model with the weights of a file, which is named as they publish it."""
    with extra("peers"):
        from encodec import EncodecModel
    large = path is not None and path.name.startswith("encodec_48khz")
    build = EncodecModel.encodec_model_48khz if large else EncodecModel.encodec_model_24khz
    model = build(pretrained=False)
    if path is not None:
        model.load_state_dict(read_state(path))
    return model
