"""Starting from trained networks, and exporting them."""

import shutil
from dataclasses import replace

import pytest
import torch
import yaml

from audiocodec.cli.main import main
from audiocodec.config import to_dict
from audiocodec.errors import ConfigError, ModelError
from audiocodec.models.bundle import load_codec
from audiocodec.training import checkpoint
from audiocodec.training.backward import Phase
from audiocodec.training.checkpoint import load_start
from audiocodec.training.export import export_model
from audiocodec.training.networks import start_config
from tests.training.helpers import TINY, in_child, tiny_config


@pytest.fixture(scope="module")
def trained(whole_run):
    """The last checkpoint of a run."""
    return checkpoint.checkpoint_folders(whole_run)[-1]


def test_a_checkpoint_starts_both_networks_without_the_phases_of_new_ones(trained, make_trainer):
    start = load_start(trained)
    config = start_config(tiny_config(autoencoder_steps=0), start, {})
    assert Phase.at(0, config) == Phase(quantize=True, adversarial=True)
    options = to_dict(config)
    trainer = make_trainer("tuned", start=start, **options)
    wanted = checkpoint.load_checkpoint(trained)
    for name, tensor in trainer.networks.codec.state_dict().items():
        assert torch.equal(tensor, wanted.average[name]), name
    for name, tensor in trainer.networks.discriminators.state_dict().items():
        assert torch.equal(tensor, wanted.discriminators[name]), name
    before = trainer.networks.codec.quantizer.state_dict()
    before = {name: tensor.clone() for name, tensor in before.items()}
    trainer.train_step(next(trainer.batches()))
    change = max(float((t - before[n]).abs().max()) for n, t in
                 trainer.networks.codec.quantizer.state_dict().items())  # fmt: skip
    assert 0 < change < 0.01  # trained on, not started anew


def test_a_model_folder_starts_the_codec_alone(whole_run):
    start = load_start(whole_run / "model")
    config = start_config(tiny_config(autoencoder_steps=0, perceptual_start=9), start, {})
    assert start.discriminators is None and config.perceptual_start == 0
    assert Phase.at(0, config) == Phase(quantize=True, adversarial=False)


def test_another_codec_in_the_configuration_is_refused_with_the_difference(trained):
    start = load_start(trained)
    given = {"codec": to_dict(tiny_config().codec) | {"latent_dim": 16}}
    with pytest.raises(ConfigError, match=r"codec\.latent_dim: 8 -> 16"):
        start_config(tiny_config(**given), start, given)


def test_another_head_starts_anew_on_the_weights_that_fit(trained, make_trainer):
    start = replace(load_start(trained), matching=True)
    codec = to_dict(tiny_config().codec)
    codec["decoder"]["head"] = {"kind": "istft", "n_fft": 640, "delay": 1}
    config = start_config(tiny_config(codec=codec), start, {"codec": codec})
    found = make_trainer("matched", start=start, **to_dict(config)).networks.codec.state_dict()
    wanted = checkpoint.load_checkpoint(trained).average
    same = [name for name in found if name in wanted and found[name].shape == wanted[name].shape]
    kept = {name for name in same if torch.equal(found[name], wanted[name])}
    assert kept == {name for name in found if not name.startswith("decoder.head.")}


def test_another_quantizer_starts_from_the_latents_of_the_encoder_it_is_given(
    trained, make_trainer
):
    start = replace(load_start(trained), matching=True)
    codec = to_dict(tiny_config().codec)
    codec["quantizer"] = {"kind": "simvq", "codebook_size": 32}
    config = start_config(tiny_config(codec=codec, autoencoder_steps=0), start, {"codec": codec})
    trainer = make_trainer("requantized", start=start, **to_dict(config))
    wanted = checkpoint.load_checkpoint(trained).average
    for name, tensor in trainer.networks.codec.state_dict().items():
        if not name.startswith("quantizer."):
            assert torch.equal(tensor, wanted[name]), name
    assert not trainer.state.quantizer_started
    batch = next(trainer.batches())
    trainer.train_step(batch)
    assert trainer.state.quantizer_started
    codec = trainer.networks.codec
    latent = codec.encoder(batch.waveform)
    error = (codec.quantizer.decode(codec.quantizer.encode(latent)) - latent).square().mean()
    assert error < 0.7 * latent.var()  # 32 random codes would be further away than none


def test_training_from_an_exported_model_by_command(trained, data_dir, tmp_path, capfd):
    released, tuned, config = tmp_path / "released", tmp_path / "tuned", tmp_path / "tune.yaml"
    export_model(trained, released, half=True, discriminators=True)
    options = {key: value for key, value in TINY.items() if key != "codec"}
    config.write_text(yaml.safe_dump(options | {"steps": 2}))
    arguments = ["train", "--config", config, "--train-data", data_dir, "--valid-data", data_dir]
    arguments += ["--init-from", released, "--output", tuned, "--device", "cpu"]
    assert in_child(lambda: exit_zero(main([str(argument) for argument in arguments]))) == 0
    assert load_codec(tuned / "model").config == load_codec(trained).config
    assert checkpoint.checkpoint_folders(tuned)[-1].name == "step_00000002"


def exit_zero(code: int) -> None:
    assert code == 0


def test_half_precision_is_half_the_size_and_close(trained, tmp_path, capsys):
    assert main(["model", "export", str(trained), str(tmp_path / "half"), "--half"]) == 0
    assert "MB, model hash" in capsys.readouterr().out
    half, full = load_codec(tmp_path / "half"), load_codec(trained)
    sizes = [
        (folder / "codec.safetensors").stat().st_size for folder in (trained, tmp_path / "half")
    ]
    assert sizes[1] < 0.6 * sizes[0]
    for name, tensor in full.state_dict().items():
        assert torch.allclose(half.state_dict()[name], tensor, rtol=1e-3, atol=1e-6), name
    assert {path.name for path in (tmp_path / "half").iterdir()} == {
        "config.yaml", "codec.safetensors",
    }  # fmt: skip


def test_export_of_a_run_is_its_best_model(whole_run, tmp_path):
    assert main(["model", "export", str(whole_run), str(tmp_path / "out")]) == 0
    assert load_codec(tmp_path / "out").weight_hash == load_codec(whole_run / "model").weight_hash


def test_export_sets_what_has_no_weights_and_nothing_else(tmp_path, capsys):
    from audiocodec.models.bundle import save_codec
    from tests.conftest import build_codec

    head = {"kind": "harmonic", "direct": 48, "source": 32, "start": 27}
    decoder = {"kind": "convnext", "channels": 24, "blocks": 1, "head": head}
    codec = build_codec(decoder=decoder)
    save_codec(codec, tmp_path / "plain")
    command = ["model", "export", str(tmp_path / "plain"), str(tmp_path / "sharp"), "--set"]
    assert main([*command, "decoder.head.noise_exponent=4"]) == 0
    sharp, plain = (load_codec(tmp_path / name, runtime="torch") for name in ("sharp", "plain"))
    assert sharp.config.decoder.head.noise_exponent == 4
    assert sharp.weight_hash == plain.weight_hash
    codes = plain.encode(0.1 * torch.randn(8000))
    assert not torch.allclose(sharp.decode(codes), plain.decode(codes))
    capsys.readouterr()
    assert (
        main([*command[:-2], str(tmp_path / "plain"), "--set", "decoder.head.noise_gain=0.5"]) == 2
    )
    assert "another folder" in capsys.readouterr().err
    assert load_codec(tmp_path / "plain", runtime="torch").config.decoder.head.noise_gain == 1
    for wrong, reason in {"channels=32": "other weights", "chanels=32": "chanels"}.items():
        assert main([*command, f"decoder.{wrong}"]) != 0
        assert reason in capsys.readouterr().err


@pytest.mark.parametrize("target", [".", "notes", "model/step"])
def test_export_loses_no_folder_that_holds_more_than_a_model(tiny_model_dir, tmp_path, target):
    model = shutil.copytree(tiny_model_dir, tmp_path / "model")
    for folder in ("notes", "model/step"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "thoughts.txt").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ModelError, match="would be lost"):
        export_model(model, tmp_path / target)
    assert sorted(tmp_path.rglob("*")) == before
    export_model(tiny_model_dir, shutil.copytree(tiny_model_dir, tmp_path / "other"))


@pytest.mark.parametrize("options", [{}, {"half": True}, {"half": True, "graphs": True}])
def test_a_model_is_not_its_own_copy(tiny_model_dir, tmp_path, options):
    model = shutil.copytree(tiny_model_dir, tmp_path / "model")
    (model / "README.md").write_text("its card")
    with pytest.raises(ConfigError, match="another folder"):
        export_model(model, model, **options)
    assert (model / "README.md").read_text() == "its card"


def test_export_refuses_what_it_cannot_give(whole_run, tmp_path, tiny_codec):
    with pytest.raises(ModelError, match=r"no discriminators\.safetensors"):
        export_model(whole_run / "model", tmp_path / "out", discriminators=True)
    with torch.no_grad():
        tiny_codec.encoder.norm.weight.fill_(1e6)
    from audiocodec.models.bundle import save_codec

    save_codec(tiny_codec, tmp_path / "large")
    with pytest.raises(ModelError, match="too large"):
        export_model(tmp_path / "large", tmp_path / "out", half=True)
    assert not (tmp_path / "out").exists()
