"""Model folders of strangers: every one is refused in one line, soon and in little memory."""

import os
import resource
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from audiocodec.config import from_dict
from audiocodec.errors import ModelError
from audiocodec.models.bundle import load_codec, save_codec
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A whole model, without the checksum that would tell of every change."""
    small = {
        "latent_dim": 8,
        "encoder": {"kind": "convnext", "strides": [40, 8], "channels": [8, 8], "blocks": [1, 1]},
        "quantizer": {"kind": "residual", "codebook_size": 16, "num_quantizers": 2},
        "decoder": {"kind": "convnext", "channels": 8, "blocks": 1},
    }
    save_codec(Codec(from_dict(CodecConfig, small)), tmp_path / "model")
    weights = tmp_path / "model/codec.safetensors"
    save_file(load_file(weights), weights)
    load_codec(tmp_path / "model")
    return tmp_path / "model"


def aliases() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    return "\n".join(lines)


CONFIGS = {
    "aliases of aliases": (lambda text: aliases(), "stands for more than"),
    "an alias of itself": (lambda text: "a: &a [*a]", "part of itself"),
    "brackets": (lambda text: "[" * 20_000, "nest"),
    "brackets of a megabyte": (lambda text: "[" * (1 << 20), "more than 131072 bytes"),
    "list items in list items": (lambda text: "- " * 20_000, "nested more than 30"),
    "a number of 5000 digits": (lambda text: "latent_dim: " + "9" * 5000, "not readable as YAML"),
    "no date": (lambda text: "latent_dim: 2001-99-99", "not readable as YAML"),
    "a long text": (lambda text: f"latent_dim: {'x' * 100_000}", "must be of type int"),
    "base: a device": (lambda text: "base: /dev/zero", "lies outside"),
    "base: another folder": (lambda text: "base: ../other.yaml", "lies outside"),
    "base: a link": (lambda text: "base: link.yaml", "lies outside"),
    "base: a pipe": (lambda text: "base: pipe", "not a regular file"),
    "latent_dim": (
        lambda text: text.replace("latent_dim: 8", f"latent_dim: {10**9}"),
        "latent_dim",
    ),
    "a wide latent": (
        lambda text: text.replace("latent_dim: 8", "latent_dim: 65536"),
        "do not fit",
    ),
    "codebook_size": (
        lambda text: text.replace("codebook_size: 16", f"codebook_size: {2**34}"),
        "codebook_size",
    ),
    "num_quantizers": (
        lambda text: text.replace("num_quantizers: 2", f"num_quantizers: {10**7}"),
        "num_quantizers",
    ),
    "strides": (lambda text: text.replace("- 40", "- 40000"), "4096 at most"),
    "blocks": (lambda text: text.replace("blocks: 1", f"blocks: {10**8}"), "blocks"),
    "sample_rate": (lambda text: text.replace("24000", str(10**12)), "sample_rate"),
}


@pytest.mark.parametrize("case", CONFIGS)
def test_a_hostile_configuration_is_one_line(case: str, folder: Path) -> None:
    change, reason = CONFIGS[case]
    (folder.parent / "other.yaml").write_text("latent_dim: 8\n")
    (folder / "link.yaml").symlink_to(folder.parent / "other.yaml")
    os.mkfifo(folder / "pipe")
    path = folder / "config.yaml"
    text = path.read_text()
    assert change(text) != text
    path.write_text(change(text))
    before = resource.getrusage(resource.RUSAGE_SELF)
    with pytest.raises(ModelError, match=reason) as caught:
        load_codec(folder)
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 1000
    assert after.ru_utime - before.ru_utime < 2
    assert after.ru_maxrss - before.ru_maxrss < 1 << 20  # kB: 1 GB


def test_weights_and_configuration_outside_of_the_folder_are_not_read(folder: Path) -> None:
    for name in ("config.yaml", "codec.safetensors"):
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)
        with pytest.raises(ModelError, match=r"outside|leads out"):
            load_codec(folder)
        (folder / name).unlink()
        (folder.parent / name).rename(folder / name)


def test_a_model_folder_may_itself_be_a_link(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "best").symlink_to(folder)
    assert load_codec(tmp_path / "best").weight_hash == load_codec(folder).weight_hash
