"""Models by name from a hub that is on this machine; nothing here asks a network."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from audiocodec.cli.main import main
from audiocodec.errors import MissingPackage, ModelError
from audiocodec.models.bundle import load_codec, save_codec
from audiocodec.models.folders import found_models, model_folder
from tests.conftest import build_codec
from tests.models.fake_hub import COMMIT, GATED, serve

constants = pytest.importorskip("huggingface_hub.constants")
NOBODY = "http://127.0.0.1:9"
CARD = "---\nlicense: mit\n---\n# small\n"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache and an empty working folder; a hub that nothing answers for."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_ENDPOINT", NOBODY)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A hub with two repositories: a model with much else beside it, and no model at all."""
    repository = tmp_path / "hub" / "someone" / "small-1.5"
    save_codec(build_codec(), repository)
    (repository / "README.md").write_text(CARD)
    for other in ("pytorch_model.bin", "old/codec.safetensors", "discriminators.safetensors"):
        (repository / other).parent.mkdir(exist_ok=True)
        (repository / other).write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    (tmp_path / "hub" / "someone" / "bert").mkdir()
    (tmp_path / "hub" / "someone" / "bert" / "config.json").write_text("{}")
    with serve(tmp_path / "hub") as (address, paths):
        monkeypatch.setenv("HF_ENDPOINT", address)
        yield paths


@pytest.mark.parametrize("revision", ["", "@main", "@v1", f"@{COMMIT}"])
@pytest.mark.parametrize("prefix", ["hub:", ""])
def test_a_name_on_the_hub_is_a_model(asked, revision, prefix):
    codec = load_codec(f"{prefix}someone/small-1.5{revision}")
    assert codec.weight_hash == build_codec().weight_hash
    assert codec.name == "someone/small-1.5"
    assert torch.equal(codec.encode(torch.ones(999)), build_codec().encode(torch.ones(999)))


def test_only_the_files_of_a_model_are_fetched_and_nothing_is_said(asked, capfd):
    folder = model_folder("hub:someone/small-1.5")
    assert capfd.readouterr() == ("", "")
    files = {"config.yaml", "codec.safetensors", "README.md"}
    assert {str(path.relative_to(folder)) for path in folder.rglob("*")} == files
    assert {path.rpartition("/")[2] for path in asked if "/resolve/" in path} == files


def test_a_model_that_was_fetched_needs_no_network(asked, monkeypatch):
    first = load_codec("hub:someone/small-1.5")
    weights = [path for path in asked if path.endswith(".safetensors")]
    again = load_codec("hub:someone/small-1.5")
    assert [path for path in asked if path.endswith(".safetensors")] == weights
    monkeypatch.setenv("HF_ENDPOINT", NOBODY)
    offline = load_codec("someone/small-1.5")
    assert first.weight_hash == again.weight_hash == offline.weight_hash
    listed = {found.name: found.folder for found in found_models() if found.origin == "hub"}
    assert listed == {"hub:someone/small-1.5": model_folder("hub:someone/small-1.5")}
    assert load_codec(listed["hub:someone/small-1.5"]).name == "someone/small-1.5"


def test_a_folder_comes_before_the_hub_and_a_mistyped_path_never_asks_it(asked, tiny_model_dir):
    Path("exp").mkdir()
    with pytest.raises(ModelError, match=r"no exp/small-1\.5/config\.yaml"):
        load_codec("exp/small-1.5")
    shutil.copytree(tiny_model_dir, "someone/small-1.5")
    assert load_codec("someone/small-1.5").name == "small-1.5"
    for path in ("../small/model", "/someone/small", "a/b/c", "./a/b", "~a/b", "someone\\small"):
        with pytest.raises(ModelError):
            load_codec(path)
    assert asked == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("hub:someone/absent", "no such repository on the hub"),
        ("someone/absent", "no folder someone/absent here, and .*no such repository on the hub"),
        ("hub:someone/small-1.5@v9", "no such revision"),
        (f"hub:{GATED}/model", "grants access"),
        ("hub:someone/bert", "no .*config.yaml"),
        ("hub:alone", "names on the hub are hub:owner/name"),
        ("hub:../../etc/passwd", "names on the hub are hub:owner/name"),
    ],
)
def test_what_the_hub_cannot_give_is_said_in_one_line(asked, name, reason):
    with pytest.raises(ModelError, match=reason) as caught:
        load_codec(name)
    assert "\n" not in str(caught.value) and name.removeprefix("hub:") in str(caught.value)


def test_without_a_network_the_reason_is_said():
    with pytest.raises(ModelError, match="cannot be reached and the model was not fetched before"):
        load_codec("hub:someone/small-1.5")


def test_without_huggingface_hub_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingPackage, match=r"pip install 'simvq-codec\[hub\]'"):
        load_codec("someone/small-1.5")


@pytest.mark.parametrize("file", ["codec.safetensors", "config.yaml"])
def test_a_file_that_is_not_what_the_hub_has_is_refused_until_it_is_deleted(asked, file):
    path = model_folder("hub:someone/small-1.5") / file
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{file} is not what the hub has") as caught:
        load_codec("hub:someone/small-1.5")
    deleted = re.search(r"delete (\S+) and try again", str(caught.value))
    assert deleted is not None
    Path(deleted[1]).unlink()
    assert load_codec("hub:someone/small-1.5").weight_hash == build_codec().weight_hash


def test_tables_are_not_written_into_the_cache(asked, capsys):
    assert main(["model", "fit-entropy", "codes", "--model", "hub:someone/small-1.5"]) == 1
    assert "codec model export hub:someone/small-1.5" in capsys.readouterr().err
