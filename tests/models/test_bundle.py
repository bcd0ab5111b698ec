"""Model folders: what is saved is loaded, and what contradicts itself is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from audiocodec.errors import ModelError
from audiocodec.models.bundle import load_codec, save_codec
from audiocodec.models.folders import CONFIG_FILE, WEIGHTS_FILE
from audiocodec.models.weights import BASIS_KEY
from tests.conftest import build_codec
from tests.models.variants import VARIANTS, WHOLE, variant


@pytest.mark.parametrize("name", [*VARIANTS, *WHOLE])
def test_a_saved_codec_is_loaded_with_the_same_codes(tmp_path: Path, name: str) -> None:
    codec = variant(name)
    save_codec(codec, tmp_path / "model")
    loaded = load_codec(tmp_path / "model")
    waveform = 0.1 * torch.randn(5_000)
    codes = codec.encode(waveform)
    assert torch.equal(loaded.encode(waveform), codes)
    assert torch.equal(loaded.decode(codes), codec.decode(codes))
    assert loaded.weight_hash == codec.weight_hash


def test_a_basis_that_its_seed_does_not_give_again_is_refused(tmp_path: Path) -> None:
    save_codec(variant("mdct"), tmp_path / "model")
    path = tmp_path / "model" / WEIGHTS_FILE
    save_file(load_file(path), path, {BASIS_KEY: "another"})
    with pytest.raises(ModelError, match=r"basis another.* seed or sizes were changed"):
        load_codec(tmp_path / "model")


@pytest.mark.parametrize("half", [False, True])
def test_any_flipped_bit_of_the_weights_or_the_configuration_is_noticed(
    tmp_path: Path, half: bool
) -> None:
    folder = tmp_path / "model"
    save_codec(build_codec(), folder, half)
    load_codec(folder)
    rng = np.random.default_rng(0)
    for name in (WEIGHTS_FILE, CONFIG_FILE):
        data = (folder / name).read_bytes()
        header = 8 + int.from_bytes(data[:8], "little") if name == WEIGHTS_FILE else 0
        for bit in rng.integers(8 * header, 8 * len(data), 40):
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            (folder / name).write_bytes(flipped)
            with pytest.raises(ModelError):
                load_codec(folder)
        (folder / name).write_bytes(data)
