"""Model folders: what is saved is loaded, and what contradicts itself is refused."""

from pathlib import Path

import pytest
import torch

from audiocodec.errors import ModelError
from audiocodec.models.bundle import load_codec, save_codec
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
    path = tmp_path / "model" / "config.yaml"
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    with pytest.raises(ModelError, match=r"basis .* seed or sizes were changed"):
        load_codec(tmp_path / "model")
