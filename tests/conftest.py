"""Shared fixtures: small untrained models and the shipped speech. No test reads anything else."""

import os
import re
import signal
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: tiny models lose time to threads

import numpy as np
import pytest
import torch
from hypothesis import settings

from audiocodec import config as configuration
from audiocodec.audio import read_waveform
from audiocodec.models.bundle import load_codec, save_codec
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig

# What a shell starts in its background ignores SIGINT, and so would all processes of the tests.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests that use what only POSIX has are left out, file by file, where there is none of it.
POSIX = re.compile(
    r"SIG(USR1|KILL|HUP)|mkfifo|import (resource|fcntl)|killpg|os\.(kill|fork|pipe)\b|symlink_to"
    r"|/dev/|/proc/|/bin/|\"bash\"|recipes|egs/"
)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    if os.name == "posix" or collection_path.suffix != ".py" or "portab" in collection_path.name:
        return None
    return bool(POSIX.search(collection_path.read_text(encoding="utf-8"))) or None


# Properties are seeded like every other test; the slow ones search anew each time.
settings.register_profile("seeded", derandomize=True, deadline=None)
settings.load_profile("seeded")

SAMPLES = Path(__file__).parent.parent / "audiocodec" / "assets" / "speech_samples"


def build_codec(seed: int = 0, **options: object) -> Codec:
    """A codec of a few thousand weights whose quantizer was started from noise."""
    values = {
        "latent_dim": 8,
        "encoder": {
            "kind": "convnext",
            "strides": [40, 4, 2],
            "channels": [8, 16, 24],
            "blocks": [1, 1, 1],
        },
        "quantizer": {"kind": "residual", "num_quantizers": 3, "codebook_size": 16},
        "decoder": {"kind": "convnext", "channels": 24, "blocks": 2, "head": {"kind": "mdct"}},
    } | options
    torch.manual_seed(seed)
    codec = Codec(configuration.from_dict(CodecConfig, values), name="tiny").eval()
    with torch.no_grad():
        codec.quantizer.initialize(codec.encoder(0.1 * torch.randn(4, 1, 30 * codec.hop_length)))
    return codec.requires_grad_(False)


@pytest.fixture
def tiny_codec() -> Codec:
    return build_codec()


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_codec(build_codec(), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_graphs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of `tiny_model_dir` with graphs, which run without PyTorch."""
    from audiocodec.graphs.export import export_graphs

    folder = tmp_path_factory.mktemp("models") / "tiny_graphs"
    save_codec(build_codec(), folder)
    export_graphs(load_codec(folder, runtime="torch"), folder)
    return folder


@pytest.fixture(scope="session")
def speech() -> np.ndarray:
    """One shipped utterance, (time,) float32 at 24 kHz."""
    return read_waveform(sorted(SAMPLES.glob("*/*.*") or SAMPLES.glob("*.*"))[0], 24_000)[0]
