from pathlib import Path

import pytest

from audiocodec.audio import audio_info
from audiocodec.cli.samples import shipped_speech
from audiocodec.config import from_dict
from audiocodec.data.data_dir import Utterance, read_data_dir, write_data_dir
from audiocodec.training.config import TrainConfig
from audiocodec.training.trainer import Trainer

TINY = {
    "codec": {
        "latent_dim": 8,
        "encoder": {"kind": "causal", "strides": [320], "channels": [24], "blocks": [1]},
        "quantizer": {"kind": "residual", "num_quantizers": 2, "codebook_size": 16},
        "decoder": {"kind": "causal", "channels": 24, "blocks": 1, "head": {"kind": "mdct"}},
    },
    "crops": {"seconds": 0.2},
    "discriminators": [{"kind": "ms_stft", "n_ffts": [256], "channels": 2}],
    "losses": {"mel_settings": {"windows": [512], "n_mels": [20]}},
    "optimizer": {"learning_rate": 2e-3},
    "steps": 12,
    "batch_size": 2,
    "autoencoder_steps": 4,
    "adversarial_start": 6,
    "warmup_steps": 2,
    "decay_steps": 2,
    "precision": "no",
    "log_every": 1,
    "save_every": 5,
    "validate_every": 12,
    "validation_utterances": 1,
}


def tiny_config(**options: object) -> TrainConfig:
    return from_dict(TrainConfig, TINY | options)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory of the shipped speech of four speakers."""
    folder = tmp_path_factory.mktemp("data")
    paths = [path for path in shipped_speech() if path.parent.name < "es"]
    write_data_dir(
        folder,
        [
            Utterance(
                p.stem, p, p.parent.name, audio_info(p).num_samples, audio_info(p).sample_rate
            )
            for p in paths
        ],
    )
    return folder


@pytest.fixture
def make_trainer(data_dir, tmp_path):
    """Trainers on the CPU over `data_dir`, in a folder of `tmp_path`."""

    def make(name: str = "exp", workers: int = 0, **options: object) -> Trainer:
        rows = read_data_dir(data_dir)
        return Trainer(
            tiny_config(**options), tmp_path / name, rows, rows, workers=workers, cpu=True
        )

    return make
