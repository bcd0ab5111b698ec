"""Whoever kept the codes of a model that is no longer shipped is told where the model is."""

import subprocess
from pathlib import Path

import pytest
import torch

from audiocodec.audio import AudioInfo
from audiocodec.errors import CodeFileError
from audiocodec.models import former
from audiocodec.models.bundle import load_codec
from audiocodec.models.folders import shipped_models
from audiocodec.models.former import FORMER_MODELS, where_to_get
from audiocodec.models.transcoder import Sound, Transcoder
from tests.conftest import build_codec

ROOT = Path(__file__).parents[2]


def test_codes_of_a_former_model_say_where_it_is(monkeypatch):
    old, new = Transcoder(build_codec(seed=0)), Transcoder(build_codec(seed=1))
    sound = Sound(torch.randn(1, 3200).numpy(), AudioInfo(24_000, 3200, 1))
    metadata = old.encode([sound])[0].metadata
    with pytest.raises(CodeFileError, match=r"give that model with --model$"):
        new.check(metadata, "a.npy")
    known = {old.model_hash: former.FormerModel("speech_24k", "abc123")}
    monkeypatch.setattr(former, "FORMER_MODELS", known)
    with pytest.raises(CodeFileError, match=r"--model; it is a former speech_24k.* abc123 audio"):
        new.check(metadata, "a.npy")


def test_no_shipped_model_counts_as_former():
    assert not {load_codec(name).weight_hash for name in shipped_models()} & FORMER_MODELS.keys()


def test_the_table_names_commits_that_hold_the_model():
    for model_hash, (name, commit) in FORMER_MODELS.items():
        card = f"{commit}:audiocodec/assets/{name}/README.md"
        shown = subprocess.run(["git", "show", card], cwd=ROOT, capture_output=True, text=True)
        if shown.returncode:
            pytest.skip("no history here")
        assert f"`{model_hash}`" in shown.stdout and commit in where_to_get(model_hash)
