"""`codec model list`: every model that is listed can be named."""

import json

import pytest

from audiocodec.models.bundle import load_codec, save_codec
from audiocodec.models.folders import CARD_FILE, WEIGHTS_FILE, shipped_models
from tests.conftest import build_codec


@pytest.fixture
def zoo(tmp_path, monkeypatch):
    """Of one's own: a model, one deeper with a card, a damaged one, one that is being written."""
    root = tmp_path / "zoo"
    for name in ("small", "group/carded", "damaged", ".unfinished"):
        save_codec(build_codec(), root / name)
    card = "---\nlicense: cc0-1.0\ntraining_data: noise\n---\n# carded\n"
    (root / "group/carded" / CARD_FILE).write_text(card)
    (root / "damaged" / WEIGHTS_FILE).write_bytes(b"nothing")
    monkeypatch.setenv("AUDIOCODEC_MODELS", str(root))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    return root


def test_all_models_are_listed_under_names_that_load_them(zoo, codec):
    outcome = codec("model", "list", "--json")
    models = {model["name"]: model for model in json.loads(outcome.out)}
    assert set(models) == {*shipped_models(), "small", "group/carded", "damaged"}
    for name, model in models.items():
        if name == "damaged":
            assert "not readable as safetensors" in model["problem"]
        else:
            assert load_codec(name).weight_hash == model["hash"]
            assert model["bitrates"] and model["latency_ms"] > 0 and model["file_bytes"] > 0
    assert (models["group/carded"]["licence"], models["group/carded"]["data"]) == (
        "cc0-1.0",
        "noise",
    )
    assert models["small"]["licence"] is None


def test_shipped_models_state_their_licence_and_their_data(codec):
    models = {model["name"]: model for model in json.loads(codec("model", "list", "--json").out)}
    assert all(models[name]["licence"] and models[name]["data"] for name in shipped_models())


def test_the_list_is_short_for_people(zoo, codec):
    text = codec("model", "list").out
    assert "0.3, 0.6, 0.9 kbit/s" in text and "cc0-1.0" in text and "not stated" in text
    assert f"{zoo / 'small'} ($AUDIOCODEC_MODELS)" in text


def test_models_below_a_folder_are_listed(zoo, codec, monkeypatch, tmp_path):
    monkeypatch.delenv("AUDIOCODEC_MODELS")
    names = [model["name"] for model in json.loads(codec("model", "list", zoo, "--json").out)]
    assert names[len(shipped_models()) :] == [
        str(zoo / name) for name in ("damaged", "group/carded", "small")
    ]
    outcome = codec("model", "list", tmp_path / "absent")
    assert outcome.exit_code == 1 and "absent" in outcome.err


def test_a_name_of_ones_own_works_in_commands(zoo, codec, tmp_path):
    outcome = codec("info", "small")
    assert outcome.exit_code == 0 and str(zoo / "small") in outcome.out
    outcome = codec("info", "smal")
    assert outcome.exit_code == 1 and "group/carded" in outcome.err


@pytest.mark.parametrize("card", ["", "---\n", "---\n: [\n---\n", "---\n- a\n---\n", "\0---\n"])
def test_a_card_that_says_nothing_is_no_problem(zoo, codec, card):
    (zoo / "small" / CARD_FILE).write_text(card)
    assert codec("model", "list").exit_code == 0
