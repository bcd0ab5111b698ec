"""What holds for PyTorch holds for graphs, and both give the same, for any lengths and cuts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from audiocodec.graphs.export import export_graphs
from audiocodec.models.base import AnyCodec
from audiocodec.models.bundle import load_codec, save_codec
from audiocodec.models.codec import Codec
from tests.conftest import build_codec
from tests.models.variants import VARIANTS
from tests.properties.strategies import configs
from tests.properties.test_invariances import check_everything, close, equal, noise, some_lengths

FRONT = {"kind": "convnext", "strides": [8], "channels": [8], "blocks": [2], "mel_bands": 3}
HARMONIC = {"kind": "harmonic", "direct": 4, "source": 3, "start": 2, "knots": 2, "bands": 2}
MODELS = VARIANTS | {
    "front, harmonic": {
        "encoder": FRONT,
        "decoder": {"kind": "convnext", "channels": 8, "blocks": 1, "head": HARMONIC},
    }
}
Runtimes = tuple[AnyCodec, AnyCodec]


def exported(codec: Codec, folder: Path) -> Runtimes:
    """The codec in PyTorch and as graphs."""
    save_codec(codec, folder)
    codec = load_codec(folder, runtime="torch")
    export_graphs(codec, folder)
    return codec, load_codec(folder, runtime="onnx")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Runtimes]:
    made: dict[str, Runtimes] = {}

    def get(name: str) -> Runtimes:
        if name not in made:
            folder = tmp_path_factory.mktemp("models") / "m"
            made[name] = exported(build_codec(**MODELS[name]), folder)
        return made[name]

    return get


def check(runtimes: Runtimes, data: st.DataObject) -> None:
    """Graphs are whole = batched = in blocks = streamed, and what PyTorch is."""
    codec, graphs = runtimes
    lengths = data.draw(some_lengths(codec.hop_length, 30), label="lengths")
    waveforms = [level(noise(n, seed), data) for seed, n in enumerate(lengths)]
    for waveform in waveforms:
        codes = codec.encode(waveform)
        equal(graphs.encode(waveform), codes)
        close(graphs.decode(codes, len(waveform)), codec.decode(codes, len(waveform)))
    check_everything(graphs, waveforms, data)


def level(waveform: Tensor, data: st.DataObject) -> Tensor:
    return waveform * 10 ** data.draw(st.integers(-4, 1), label="level")


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=8)
@given(data=st.data())
def test_the_variants(model: Callable[[str], Runtimes], name: str, data: st.DataObject) -> None:
    check(model(name), data)


@settings(max_examples=6)
@given(options=configs(), data=st.data())
def test_any_small_codec(
    tmp_path_factory: pytest.TempPathFactory, options: dict[str, Any], data: st.DataObject
) -> None:
    codec = build_codec(seed=1, **options)
    check(exported(codec, tmp_path_factory.mktemp("models") / "m"), data)
