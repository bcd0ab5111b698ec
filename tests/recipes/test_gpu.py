"""egs/speech/gpu.sh: what travels to a borrowed machine and back."""

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from fabricated import ROOT, environment_of_recipes, speech_like

from audiocodec.audio import audio_info, read_waveform
from audiocodec.data.data_dir import Utterance, read_data_dir, write_data_dir
from audiocodec.training.checkpoint import checkpoint_folders, latest_checkpoint
from audiocodec.training.provenance import data_fingerprint
from audiocodec.training.trainer import Trainer
from tests.training.helpers import assert_same, saved_weights, tiny_config

RECIPE = ROOT / "egs/speech"


@pytest.fixture
def script(monkeypatch):
    """Scripts of the recipe, imported."""
    monkeypatch.syspath_prepend(RECIPE / "local")

    def load(name: str) -> ModuleType:
        sys.modules.pop(name, None)
        return importlib.import_module(name)

    return load


@pytest.fixture
def speech_dirs(tmp_path) -> Path:
    """Data directories of six and two utterances."""
    for split, count in (("train", 6), ("valid", 2)):
        utterances = []
        for number in range(count):
            path = tmp_path / "wav" / f"{split}{number}.wav"
            speech_like(path, number, seconds=1.5)
            utterances.append(
                Utterance(path.stem, path, f"s{number}", audio_info(path).num_samples, 24_000)
            )
        write_data_dir(tmp_path / "data" / split, utterances)
    return tmp_path / "data"


@pytest.fixture
def trained(speech_dirs, tmp_path) -> Trainer:
    rows = read_data_dir(speech_dirs / "train")
    trainer = Trainer(tiny_config(), tmp_path / "exp", rows, rows[:1], cpu=True)
    trainer.run()
    return trainer


def test_a_checkpoint_comes_back_as_exact_as_it_was_let(script, trained, tmp_path):
    shrink, experiment = script("shrink"), tmp_path / "exp"
    told = shrink.split(experiment, tmp_path / "parts", 100)
    assert ", whole, " in told
    shrink.join(tmp_path / "parts", tmp_path / "back")
    assert_same(saved_weights(tmp_path / "back"), saved_weights(experiment))
    state, former = (latest_checkpoint(f).state for f in (tmp_path / "back", experiment))
    assert state["step"] == former["step"] and state["run"] == former["run"]


def test_less_room_takes_first_precision_and_then_moments(script, trained, tmp_path):
    shrink, experiment = script("shrink"), tmp_path / "exp"
    seen, megabytes = [], 100.0
    for _ in shrink.LEVELS:
        told = shrink.split(experiment, tmp_path / "parts", megabytes)
        size = sum(p.stat().st_size for p in (tmp_path / "parts").iterdir())
        assert size <= megabytes * 1e6
        seen.append(told.split(", ")[1])
        megabytes = (size - 1) / 1e6
    assert seen == list(shrink.LEVELS)
    with pytest.raises(SystemExit, match="averaged weights alone are"):
        shrink.split(experiment, tmp_path / "parts", megabytes)


def test_a_run_goes_on_from_the_averaged_weights_alone(script, trained, tmp_path):
    shrink = script("shrink")
    shrink.split(tmp_path / "exp", tmp_path / "parts", 100)
    smallest = shrink.LEVELS["averaged weights alone"]
    shrink.LEVELS = {"smallest": smallest}
    shrink.split(tmp_path / "exp", tmp_path / "parts", 100)
    shrink.join(tmp_path / "parts", tmp_path / "back")
    rows = trained.train
    Trainer(tiny_config(steps=14), tmp_path / "back", rows, rows[:1], cpu=True).run()
    assert checkpoint_folders(tmp_path / "back")[-1].name == "step_00000014"


def test_parts_are_small_enough_to_travel(script, trained, tmp_path):
    shrink = script("shrink")
    shrink.PART = 10_000
    shrink.split(tmp_path / "exp", tmp_path / "parts", 100)
    parts = sorted((tmp_path / "parts").iterdir())
    assert len(parts) > 3 and max(p.stat().st_size for p in parts) <= 10_000
    shrink.join(tmp_path / "parts", tmp_path / "back")
    assert_same(saved_weights(tmp_path / "back"), saved_weights(tmp_path / "exp"))


def run_pack(*options: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "local/pack.py", *map(str, options)]
    environment = environment_of_recipes()
    return subprocess.run(command, cwd=RECIPE, env=environment, capture_output=True, text=True)


def test_packed_speech_is_the_same_data_for_a_run(speech_dirs, tmp_path):
    pack, back = tmp_path / "pack", tmp_path / "back"
    done = run_pack("pack", "--data", speech_dirs, "--output", pack, "--megabytes", 1)
    assert done.returncode == 0, done.stderr
    assert run_pack("unpack", "--pack", pack, "--output", back, "--jobs", 1).returncode == 0
    for split in ("train", "valid"):
        was, now = (read_data_dir(folder / split) for folder in (speech_dirs, back))
        assert data_fingerprint(now) == data_fingerprint(was)
        for old, new in zip(was, now, strict=True):
            signals = [read_waveform(u.path)[0] for u in (old, new)]
            assert np.corrcoef(*signals)[0, 1] > 0.9  # in time, and speech still
    assert (pack / "audio.tar").stat().st_size < 8 * 1.5 * 3_500 + 30_000  # bytes of 16 kbit/s


def test_speech_that_does_not_fit_stays_at_home(speech_dirs, tmp_path):
    pack = tmp_path / "pack"
    done = run_pack("pack", "--data", speech_dirs, "--output", pack, "--megabytes", 0.025)
    assert done.returncode == 0 and int(done.stdout.split()[0]) < 8
    assert (pack / "audio.tar").stat().st_size <= 25_000 + 10_240
    done = run_pack("pack", "--data", speech_dirs, "--output", pack, "--megabytes", 0.001)
    assert done.returncode != 0 and "no training speech fits" in done.stderr


@pytest.mark.slow
def test_twenty_steps_there_become_a_checkpoint_here(speech_dirs, tmp_path):
    (tmp_path / "tiny.yaml").write_text((ROOT / "egs/mini/conf/train.yaml").read_text())
    folders = {name: tmp_path / name for name in ("pack", "returned", "work", "exp")}
    options = [word for name, path in folders.items() for word in (f"--{name}", str(path))]
    settings = "steps=20 autoencoder_steps=5 warmup_steps=2 decay_steps=5 crops.seconds=0.2"
    options += ["--data", str(speech_dirs), "--config", str(tmp_path / "tiny.yaml")]
    options += ["--cpu", "true", "--packages", "", "--batch-size", "4", "--save-every", "5"]
    for do in ("pack", "train", "take"):
        command = [str(RECIPE / "gpu.sh"), "--do", do, *options, "--settings", settings]
        done = subprocess.run(command, env=environment_of_recipes(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    assert [folder.name for folder in checkpoint_folders(folders["exp"])] == ["step_00000020"]
    parts = list((folders["returned"] / "checkpoint").iterdir())
    assert parts and max(path.stat().st_size for path in parts) < 16_000_000
    assert (folders["returned"] / "log.jsonl").is_file()
