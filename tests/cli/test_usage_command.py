"""`codec model usage` over code files, audio and data directories."""

import json

import numpy as np
import pytest

from audiocodec.codes import read_codes, write_codes
from tests.cli.helpers import write_audio


def test_codes_and_audio_give_the_same_counts(tmp_path, tiny_model_dir, codec):
    for index in range(3):
        write_audio(tmp_path / "dev" / f"{index}.wav", 24_000 + index, channels=1)
    codec("encode", tmp_path / "dev", tmp_path / "codes", "--model", tiny_model_dir)
    scp = tmp_path / "data" / "wav.scp"
    scp.parent.mkdir()
    scp.write_text("".join(f"{i} {tmp_path / 'dev' / f'{i}.wav'}\n" for i in range(3)))
    sets = [tmp_path / "dev", tmp_path / "codes", tmp_path / "data"]
    outcome = codec(
        "model", "usage", *sets, "--model", tiny_model_dir, "--json", "--output", tmp_path
    )
    report = json.loads(outcome.out)
    assert report == json.loads((tmp_path / "usage.json").read_text())
    assert report["sets"]["dev"] == report["sets"]["codes"] == report["sets"]["data"]
    counted = np.concatenate([read_codes(p).codes for p in (tmp_path / "codes").iterdir()], axis=1)
    for stage, codes in zip(report["sets"]["dev"]["stages"], counted, strict=True):
        assert stage["used"] == len(np.unique(codes)) and stage["total"] == len(codes)
        assert stage["dead"] == 16 - stage["used"]
    total = report["sets"]["all"]
    assert total["frames"] == 3 * report["sets"]["dev"]["frames"]
    assert total["nominal_bitrate"] == 900 and total["entropy_bitrate"] <= 900
    assert len(report["ranks"]) == 3 and all(rank["full"] == 8 for rank in report["ranks"])
    assert (tmp_path / "usage.png").stat().st_size > 1000
    table = codec("model", "usage", *sets, "--model", tiny_model_dir).out
    assert table.strip() == (tmp_path / "usage.txt").read_text().strip()


def test_what_cannot_be_counted_is_named_and_the_rest_counted(tmp_path, tiny_model_dir, codec):
    write_audio(tmp_path / "a" / "good.wav", 24_000)
    (tmp_path / "a" / "bad.wav").write_bytes(b"no audio")
    outcome = codec("model", "usage", tmp_path / "a", "--model", tiny_model_dir, "--json")
    assert outcome.exit_code == 3 and "bad.wav" in outcome.err
    assert json.loads(outcome.out)["sets"]["a"]["frames"] == 75
    (tmp_path / "empty").mkdir()
    outcome = codec("model", "usage", tmp_path / "empty", "--model", tiny_model_dir)
    assert outcome.exit_code == 2 and "neither code files nor audio" in outcome.err


def test_sets_of_one_name_and_one_called_all_are_kept_apart(tmp_path, tiny_model_dir, codec):
    folders = [tmp_path / "x" / "dev", tmp_path / "y" / "dev", tmp_path / "all"]
    for number, folder in enumerate(folders, 1):
        write_audio(folder / "a.wav", number * 24_000)
    report = json.loads(codec("model", "usage", *folders, "--model", tiny_model_dir, "--json").out)
    frames = {name: usage["frames"] for name, usage in report["sets"].items()}
    assert frames == {str(folder): 75 * n for n, folder in enumerate(folders, 1)} | {"all": 450}


def test_codes_of_another_model_are_refused(tmp_path, tiny_model_dir, codec):
    write_audio(tmp_path / "good.wav", 24_000)
    codec("encode", tmp_path / "good.wav", tmp_path / "a.npy", "--model", tiny_model_dir)
    codes, metadata = read_codes(tmp_path / "a.npy")
    other = type(metadata)(**vars(metadata) | {"model_hash": "0" * 16})
    write_codes(tmp_path / "a.npy", codes, other)
    outcome = codec("model", "usage", tmp_path / "a.npy", "--model", tiny_model_dir)
    assert outcome.exit_code == 3 and "--model" in outcome.err


@pytest.mark.parametrize("stages", [1, 2])
def test_fewer_stages_are_counted_on_demand(tmp_path, tiny_model_dir, codec, stages):
    path = write_audio(tmp_path / "good.wav", 24_000)
    options = ["--model", tiny_model_dir, "--num-quantizers", stages, "--json"]
    report = json.loads(codec("model", "usage", path, *options).out)
    assert len(report["sets"]["good.wav"]["stages"]) == stages
