"""Vocos (arXiv:2306.00814), by its own package: EnCodec's codes, or a mel spectrogram, to sound."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import yaml
from torch import Tensor

from audiocodec.errors import ModelError
from audiocodec.extras import extra
from audiocodec.peers.base import Codebook, Peer
from audiocodec.peers.encodec import encodec_model
from audiocodec.peers.weights import building, only_file, package_version, read_state

_DEFAULT_BITRATE = 6000
_SPEECH: dict[str, Any] = {  # the published model for EnCodec's codes
    "feature_extractor": {"class_path": "vocos.feature_extractors.EncodecFeatures"},
    "backbone": {
        "class_path": "vocos.models.VocosBackbone",
        "init_args": {
            "input_channels": 128,
            "dim": 384,
            "intermediate_dim": 1152,
            "num_layers": 8,
            "adanorm_num_embeddings": 4,
        },
    },
    "head": {
        "class_path": "vocos.heads.ISTFTHead",
        "init_args": {"dim": 384, "n_fft": 1280, "hop_length": 320, "padding": "same"},
    },
}


class VocosOfCodes(Peer):
    """The package's `Vocos` with EnCodec's encoder and quantizer: another decoder for its codes."""

    name = "vocos"

    def __init__(self, model: Any) -> None:
        features = model.feature_extractor
        encodec = features.encodec
        encodec.decoder = torch.nn.Identity()  # Vocos takes its place
        book = Codebook(encodec.quantizer.bins, encodec.frame_rate)
        counts = [int(1000 * b / book.bitrate) for b in features.bandwidths]
        default = int(_DEFAULT_BITRATE / book.bitrate)
        default = default if default in counts else counts[-1]
        version, rate = package_version("vocos"), encodec.sample_rate
        super().__init__(model, version, rate, [book] * features.num_q, counts, default)
        self._ids = {count: index for index, count in enumerate(counts)}

    def encode(self, waveform: Tensor) -> Any:
        features = self.model.feature_extractor
        features.encodec.set_target_bandwidth(features.bandwidths[self._ids[self.num_quantizers]])
        return features.get_encodec_codes(waveform)

    def decode(self, coded: Any) -> Tensor:
        features = self.model.codes_to_features(coded)
        bandwidth = torch.tensor([self._ids[len(coded)]], device=features.device)
        decoded: Tensor = self.model.decode(features, bandwidth_id=bandwidth)
        return decoded

    def stages(self, coded: Any) -> list[Tensor]:
        return list(coded[:, 0])


class VocosOfMel(Peer):
    """The package's `Vocos` of mel spectrograms: a vocoder, which has neither codes nor bitrate."""

    name = "vocos"

    def __init__(self, model: Any) -> None:
        rate = int(model.feature_extractor.mel_spec.sample_rate)
        super().__init__(model, package_version("vocos"), rate, [], [0])

    def encode(self, waveform: Tensor) -> Any:
        return self.model.feature_extractor(waveform)

    def decode(self, coded: Any) -> Tensor:
        decoded: Tensor = self.model.decode(coded)
        return decoded

    def stages(self, coded: Any) -> list[Tensor]:
        return []


def load(folder: Path | None) -> Peer:
    """The model of a folder: `config.yaml`, `pytorch_model.bin` and, for one of EnCodec's codes,
    EnCodec's own `encodec_24khz-*.th`. Without a folder, the published one for codes, random.
    """
    with building(folder):
        if folder is None:
            return VocosOfCodes(_build(_SPEECH, None))
        config, weights = folder / "config.yaml", folder / "pytorch_model.bin"
        if not (config.is_file() and weights.is_file()):
            raise ModelError(f"{folder}: Vocos needs config.yaml and pytorch_model.bin there")
        try:
            values = yaml.safe_load(config.read_text(encoding="utf-8"))
            of_codes = values["feature_extractor"]["class_path"].endswith(".EncodecFeatures")
        except (ValueError, KeyError, TypeError, AttributeError, yaml.YAMLError) as error:
            raise ModelError(f"{config}: is no configuration of Vocos") from error
        encodec = only_file(folder, "encodec_24khz*.th")
        if of_codes and encodec is None:
            raise ModelError(
                f"{folder}: this Vocos decodes codes of EnCodec, whose own weights "
                "(encodec_24khz-*.th) must lie there, too"
            )
        model = _build(values, encodec)
        state = read_state(weights)
        if of_codes:  # the published file has all but EnCodec
            own = model.feature_extractor.encodec.state_dict()
            state |= {f"feature_extractor.encodec.{name}": value for name, value in own.items()}
        model.load_state_dict(state)
        return VocosOfCodes(model) if of_codes else VocosOfMel(model)


def _build(values: Any, encodec: Path | None) -> Any:
    with extra("peers"):
        from vocos import Vocos
        from vocos.pretrained import instantiate_class
    parts = []
    for name in ("feature_extractor", "backbone", "head"):
        if not str(values[name]["class_path"]).startswith("vocos."):  # could be any code at all
            raise ModelError(
                f"Vocos: {name} names {values[name]['class_path']}, which is not its own"
            )
        with _local_encodec(encodec):
            parts.append(instantiate_class((), values[name]))
    return Vocos(*parts)


@contextlib.contextmanager
def _local_encodec(path: Path | None) -> Iterator[None]:
    """Inside, EnCodec's models come from `path` or are random: Vocos always downloads them."""
    with extra("peers"):
        from encodec import EncodecModel
    name, model = "encodec_model_24khz", encodec_model(path)
    former = EncodecModel.__dict__[name]
    setattr(EncodecModel, name, staticmethod(lambda pretrained: model))
    try:
        yield
    finally:
        setattr(EncodecModel, name, former)
