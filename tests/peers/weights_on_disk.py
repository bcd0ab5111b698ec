"""Small models of other codecs with random weights, saved as their packages save them."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml


def encodec(folder: Path, name: str = "encodec_24khz") -> None:
    package = pytest.importorskip("encodec")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = getattr(package.EncodecModel, name.replace("encodec", "encodec_model"))(False)
    spread_codebooks(model, model.channels)
    torch.save(model.state_dict(), folder / f"{name}-00000000.th")


def encodec_48khz(folder: Path) -> None:
    encodec(folder, "encodec_48khz")


@torch.no_grad()
def spread_codebooks(model: torch.nn.Module, channels: int = 1) -> None:
    """Put codes where EnCodec's latents are: an untrained encoder hardly moves them."""
    latents = model.eval().encoder(torch.randn(1, channels, 12_000))[0]
    mean, spread = latents.mean(1), latents.std(1)
    for name, buffer in model.named_buffers():
        if name.endswith("embed"):
            first = ".layers.0." in name
            buffer.normal_().mul_(spread).add_(mean if first else 0)


def encodec_of_transformers(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    config = transformers.EncodecConfig(num_filters=4, hidden_size=8, num_lstm_layers=1)
    model = transformers.EncodecModel(config)
    spread_codebooks(model)
    model.save_pretrained(folder)


def dac(folder: Path) -> None:
    package = pytest.importorskip("dac")
    sizes = {"encoder_dim": 4, "encoder_rates": [2, 4, 5], "decoder_rates": [5, 4, 2]}
    model = package.DAC(**sizes, decoder_dim=32, n_codebooks=3, sample_rate=16_000)
    model.save(str(folder / "weights_16khz.pth"), package=False)


def dac_of_transformers(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"downsampling_ratios": [2, 4, 5], "encoder_hidden_size": 4, "decoder_hidden_size": 32}
    transformers.DacModel(transformers.DacConfig(**sizes)).save_pretrained(folder)


def snac(folder: Path) -> None:
    package = pytest.importorskip("snac")
    sizes = {"encoder_dim": 4, "encoder_rates": [2, 4, 5], "decoder_rates": [5, 4, 2]}
    strides = {"vq_strides": [4, 2, 1], "attn_window_size": None, "noise": False}
    config = {"sampling_rate": 16_000, "decoder_dim": 32, "codebook_size": 64, **sizes, **strides}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    torch.save(package.SNAC(**config).state_dict(), folder / "pytorch_model.bin")


def mimi(folder: Path) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"num_filters": 4, "hidden_size": 16, "num_hidden_layers": 1, "intermediate_size": 16}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "upsample_groups": 16}
    books = {"codebook_dim": 8, "vector_quantization_hidden_dimension": 8, "num_quantizers": 12}
    model = transformers.MimiModel(transformers.MimiConfig(**sizes, **heads, **books))
    for name, buffer in model.named_buffers():
        if name.endswith("embed_sum"):
            buffer.normal_()
    model.save_pretrained(folder)


def vocos(folder: Path) -> None:
    """Of EnCodec's codes: all but EnCodec in one file, EnCodec in its own."""
    extractor = {"class_path": "vocos.feature_extractors.EncodecFeatures"}
    _vocos(folder, extractor, {"input_channels": 128, "adanorm_num_embeddings": 4})


def vocos_of_mel(folder: Path) -> None:
    class_path = "vocos.feature_extractors.MelSpectrogramFeatures"
    options = {"sample_rate": 24_000, "n_fft": 1280, "hop_length": 320, "n_mels": 20}
    extractor = {"class_path": class_path, "init_args": options | {"padding": "same"}}
    _vocos(folder, extractor, {"input_channels": 20})


def _vocos(folder: Path, extractor: dict, inputs: dict) -> None:
    pytest.importorskip("vocos")
    from audiocodec.peers.vocos import _build

    backbone = {"dim": 16, "intermediate_dim": 24, "num_layers": 1, **inputs}
    head = {"dim": 16, "n_fft": 1280, "hop_length": 320, "padding": "same"}
    config = {
        "feature_extractor": extractor,
        "backbone": {"class_path": "vocos.models.VocosBackbone", "init_args": backbone},
        "head": {"class_path": "vocos.heads.ISTFTHead", "init_args": head},
    }
    path = None
    if "Encodec" in extractor["class_path"]:
        encodec(folder)
        (path,) = folder.glob("*.th")
    state = _build(config, path).state_dict()
    kept = {name: value for name, value in state.items() if ".encodec." not in name}
    torch.save(kept, folder / "pytorch_model.bin")
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")


SAVED: dict[str, Callable[[Path], None]] = {  # the codec's name is the word before any _
    function.__name__: function
    for function in (
        encodec,
        encodec_48khz,
        encodec_of_transformers,
        dac,
        dac_of_transformers,
        snac,
        mimi,
        vocos,
        vocos_of_mel,
    )
}
