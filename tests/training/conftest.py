"""Runs of a tiny codec on the shipped speech."""

from pathlib import Path

import pytest

from audiocodec.audio import audio_info
from audiocodec.data.data_dir import Utterance, read_data_dir, write_data_dir
from audiocodec.data.samples import shipped_speech
from audiocodec.training.trainer import Trainer
from tests.training.helpers import tiny_config


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory of the shipped speech of four speakers."""
    folder = tmp_path_factory.mktemp("data")
    paths = [path for path in shipped_speech() if path.parent.name < "es"]
    infos = [(path, audio_info(path)) for path in paths]
    write_data_dir(
        folder,
        [Utterance(p.stem, p, p.parent.name, i.num_samples, i.sample_rate) for p, i in infos],
    )
    return folder


@pytest.fixture
def make_trainer(data_dir, tmp_path):
    """Trainers on the CPU over `data_dir`, in a folder of `tmp_path`."""

    def make(name: str = "exp", *, workers: int = 0, **options: object) -> Trainer:
        arguments = {key: options.pop(key) for key in ("start", "allow_changes") if key in options}
        rows = options.pop("utterances", None) or read_data_dir(data_dir)
        config = tiny_config(**options)
        return Trainer(
            config, tmp_path / name, rows, rows[:2], workers=workers, cpu=True, **arguments
        )

    return make


@pytest.fixture(scope="session")
def whole_run(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    rows = read_data_dir(data_dir)
    Trainer(tiny_config(), folder, rows, rows[:2], cpu=True).run()
    return folder
