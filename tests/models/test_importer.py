"""Imported checkpoints against an oracle that shares no code with the package."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from audiocodec.cli.main import main
from audiocodec.config import from_dict, load_config
from audiocodec.errors import ConfigError, ModelError
from audiocodec.models.bundle import load_codec
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig
from audiocodec.models.importer import import_checkpoint, import_state
from audiocodec.models.streaming import StreamDecoder
from audiocodec.modules import DECODERS, ENCODERS
from audiocodec.training.checkpoint import Start
from audiocodec.training.config import TrainConfig
from audiocodec.training.networks import start_config
from tests.models import oracle

CONF = Path(__file__).parents[2] / "egs" / "libritts" / "conf"
SMALL = {"filters": 4, "latent": 24, "codes": 96, "width": 32, "inner": 96, "blocks": 2}
SMALL_CONFIG = {
    "latent_dim": 24,
    "encoder": {"kind": "simvq_paper", "n_filters": 4, "weight_norm": True},
    "quantizer": {"kind": "simvq", "codebook_size": 96},
    "decoder": {"kind": "simvq_paper", "channels": 32, "blocks": 2, "groups": 8},
}
LENGTHS = [1, 320, 321, 24_001, 48_000]


def small_config() -> CodecConfig:
    return from_dict(CodecConfig, SMALL_CONFIG)


def published_config(codes: int = 1024) -> CodecConfig:
    config = load_config(TrainConfig, CONF / "simvq_paper_4k.yaml").codec
    return replace(config, quantizer=replace(config.quantizer, codebook_size=codes))


def save(path: Path, state: oracle.State) -> Path:
    torch.save({"state_dict": state, "epoch": 49}, path)
    return path


def check_against_oracle(codec: Codec, state: oracle.State, length: int, groups: int) -> int:
    """Latents, codes and waveform within 1e-4; returns how many different codes there were."""
    state = oracle.averaged(state)
    waveform = 0.1 * torch.randn(1, 1, length, generator=torch.Generator().manual_seed(length))
    latent = oracle.encode(state, waveform)
    with torch.no_grad():
        torch.testing.assert_close(codec.encoder(waveform).double(), latent, rtol=0, atol=1e-4)
    expected = oracle.quantize(state, latent)
    codes = codec.encode(waveform[0, 0])
    assert torch.equal(codes, expected)
    vectors = oracle.codebook(state)[expected].transpose(1, 2)
    with torch.no_grad():
        decoded = codec.quantizer.decode(codes[None]).double()
    torch.testing.assert_close(decoded, vectors, rtol=0, atol=1e-4)
    sound = oracle.decode(state, vectors, groups=groups)[0, :length]
    torch.testing.assert_close(codec.decode(codes, length).double(), sound, rtol=0, atol=1e-4)
    assert sound.abs().max() > 1e-2  # 1e-4 means something
    return len(codes.unique())


def test_an_imported_model_is_the_oracle(tmp_path: Path) -> None:
    state = oracle.fabricate(**SMALL)
    path = save(tmp_path / "last.ckpt", state)
    codec = import_checkpoint(path, small_config(), "small").codec
    used = [check_against_oracle(codec, state, length, groups=8) for length in LENGTHS]
    assert used[-1] > 5


@pytest.mark.slow
def test_an_imported_model_of_full_size_is_the_oracle(tmp_path: Path) -> None:
    state = oracle.fabricate()
    path = save(tmp_path / "last.ckpt", state)
    codec = import_checkpoint(path, published_config(), "full").codec
    used = [check_against_oracle(codec, state, length, groups=32) for length in LENGTHS]
    assert used[-1] > 20


def test_parameters_are_counted_as_published() -> None:
    config = published_config()
    with torch.device("meta"):
        encoder = ENCODERS.build(config.encoder, 512)
        decoder = DECODERS.build(config.decoder, 512, 320)
    head = sum(p.numel() for p in decoder.head.parameters())
    assert sum(p.numel() for p in encoder.parameters()) == 8_802_816
    assert sum(p.numel() for p in decoder.parameters()) - head == 61_901_568
    assert head == 985_858
    for name, codes in (("4k", 4096), ("8k", 8192), ("65k", 65_536), ("262k", 262_144)):
        codec = load_config(TrainConfig, CONF / f"simvq_paper_{name}.yaml").codec
        assert codec.quantizer.codebook_size == codes
        assert (codec.sample_rate, codec.hop_length, codec.latent_dim) == (24_000, 320, 512)
    quantizer = Codec(replace(config, encoder=small_config().encoder)).quantizer
    assert sum(p.numel() for p in quantizer.parameters()) == 262_656


def test_the_command_writes_a_model_that_encodes_and_decodes(tmp_path: Path, capsys) -> None:
    state = oracle.fabricate(**SMALL)
    path = save(tmp_path / "last.ckpt", state)
    (tmp_path / "model.yaml").write_text(json.dumps({"codec": SMALL_CONFIG}))
    arguments = ["model", "import", str(path), str(tmp_path / "model"), "--config"]
    assert main([*arguments, str(tmp_path / "model.yaml")]) == 0
    assert "replaced by its average" in capsys.readouterr().out
    codec = load_codec(tmp_path / "model")
    check_against_oracle(codec, state, 5_000, groups=8)
    assert main([*arguments, str(tmp_path / "model" / "config.yaml"), "--json"]) == 0
    names = json.loads(capsys.readouterr().out)
    everything = [*names["used"], *names["replaced_by_average"], *names["ignored"]]
    assert sorted(everything) == sorted(state)
    assert set(names["used"].values()) == set(codec.state_dict())
    assert all(
        "model_ema." in name or name == "quantize.embedding.weight" for name in names["used"]
    )
    with pytest.raises(ConfigError, match="cannot stream"):
        StreamDecoder(codec)


def test_a_checkpoint_without_averages_gives_its_trained_weights(tmp_path: Path) -> None:
    state = oracle.fabricate(**SMALL)
    plain = {key: state[key] for key in state if not key.startswith("model_ema.")}
    imported = import_checkpoint(save(tmp_path / "last.ckpt", plain), small_config(), "plain")
    assert not imported.replaced
    bias = state["quantize.embedding_proj.bias"]
    assert torch.equal(imported.codec.quantizer.projection.bias, bias)
    assert not torch.equal(bias, state["model_ema.quantizeembedding_projbias"])


def test_an_imported_model_is_tuned_with_its_own_configuration(tmp_path: Path) -> None:
    path = save(tmp_path / "last.ckpt", oracle.fabricate(**SMALL))
    codec = import_checkpoint(path, small_config(), "small").codec
    start = Start(tmp_path, codec.config, codec.state_dict())
    config = TrainConfig(codec=small_config())
    assert start_config(config, start, {"codec": {}}).codec == codec.config
    other = replace(small_config(), quantizer=replace(small_config().quantizer, bias=False))
    with pytest.raises(ConfigError, match="bias"):
        start_config(TrainConfig(codec=other), start, {"codec": {}})


TAKEN = [
    name
    for name in oracle.fabricate(**SMALL)
    if not name.startswith(("decoder.", "loss.", "model_ema.decoder", "model_ema.loss"))
    and name not in ("model_ema.decay", "model_ema.num_updates", "head.istft.window")
]


def test_every_tensor_that_is_missing_misshapen_or_not_finite_is_named() -> None:
    state = oracle.fabricate(**SMALL)
    assert len(TAKEN) == 2 * (62 + (158 - 10 * 9) + 4) + 1
    for name in TAKEN:
        expect_error({key: state[key] for key in state if key != name}, f"no tensor '{name}'")
        expect_error(state | {name: state[name][..., :-1]}, f"'{name}' is ")
        expect_error(state | {name: torch.full_like(state[name], torch.nan)}, f"'{name}' has NaN")


def expect_error(source: oracle.State | Path, message: str) -> None:
    with pytest.raises(ModelError) as raised:
        if isinstance(source, Path):
            import_checkpoint(source, small_config(), "broken")
        else:
            import_state(source, small_config(), "broken", Path("last.ckpt"))
    assert message in str(raised.value) and "last.ckpt" in str(raised.value)


@pytest.mark.parametrize(
    "name",
    [
        "encoder.model.16.conv.conv.bias",
        "backbone.adaln.weight",
        "extra",
        "model_ema.encodermodel99",
    ],
)
def test_unknown_tensors_are_named(name: str) -> None:
    state = oracle.fabricate(**SMALL) | {name: torch.zeros(3)}
    expect_error(state, f"unknown tensor '{name}'")


def test_other_files_and_other_windows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    expect_error(path, "no such checkpoint")
    path.write_bytes(b"not a checkpoint")
    expect_error(path, "read safely")
    torch.save({"weights": {}}, path)
    expect_error(path, "no 'state_dict'")
    torch.save({"state_dict": {"a": print}}, path)  # code, which is never run
    expect_error(path, "read safely")
    state = oracle.fabricate(**SMALL) | {"head.istft.window": torch.hamming_window(1280)}
    expect_error(save(path, state), "not a Hann window")
    with pytest.raises(ConfigError, match="simvq_paper_"):
        import_checkpoint(path, CodecConfig(), "other")
