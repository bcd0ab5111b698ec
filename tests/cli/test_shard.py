"""`codec convert`: what comes out of Parquet and WebDataset is what is in the code files."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from audiocodec.codes import CodesMetadata, read_codes, write_codes
from tests.cli.helpers import tree, write_audio

SHARDS = ("convert", "--format", "parquet")


def metadata_for(frames: int, model: str = "tiny") -> CodesMetadata:
    length = frames * 320 - 5
    return CodesMetadata(model, "0" * 16, 24_000, 320, (1024, 300), length, 24_000, length, 1)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Five utterances of different lengths, and who speaks them."""
    folder = tmp_path / "codes"
    folder.mkdir()
    lines = []
    for index in range(5):
        codes = np.random.default_rng(index).integers(0, 300, (2, 10 + index))
        codes = codes[None] if index == 4 else codes  # --keep-channels of a mono file
        write_codes(folder / f"utt-{index}.v1.npy", codes, metadata_for(10 + index))
        lines.append(f"utt-{index}.v1 speaker {index % 2}\n")
    (tmp_path / "utt2spk").write_text("".join(lines[:4]))
    return folder


def expected(corpus: Path) -> list[tuple[str, str | None, int, list[list[int]]]]:
    rows = []
    for index, path in enumerate(sorted(corpus.iterdir())):
        codes, metadata = read_codes(path)
        speaker = f"speaker {index % 2}" if index < 4 else None
        rows.append((path.stem, speaker, metadata.num_samples, codes.reshape(2, -1).tolist()))
    return rows


def test_parquet_has_every_utterance(corpus, tmp_path, codec):
    options = ("--shard-size", 2, "--utt2spk", tmp_path / "utt2spk")
    assert codec(*SHARDS, corpus, tmp_path / "out", *options).exit_code == 0
    paths = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in paths] == [f"codes-0000{i}-of-00003.parquet" for i in range(3)]
    tables = [pyarrow.parquet.read_table(path) for path in paths]
    rows = [row for table in tables for row in table.to_pylist()]
    names = ("id", "speaker", "num_samples", "codes")
    assert [tuple(row[name] for name in names) for row in rows] == expected(corpus)
    assert tables[0].schema.metadata[b"model_hash"] == b"0" * 16
    assert str(tables[0].schema.field("codes").type.value_type.value_type) == "uint16"


def test_webdataset_has_every_utterance(corpus, tmp_path, codec):
    options = ("--format", "webdataset", "--utt2spk", tmp_path / "utt2spk")
    assert codec(*SHARDS, corpus, tmp_path / "out", *options).exit_code == 0
    rows = []
    with tarfile.open(tmp_path / "out" / "codes-00000-of-00001.tar") as tar:
        members = tar.getnames()
        for index in range(len(members) // 2):
            array, text = (
                tar.extractfile(f"{index:09d}.{suffix}").read() for suffix in ("npy", "json")
            )
            values, codes = json.loads(text), np.load(io.BytesIO(array))
            rows.append((values["id"], values["speaker"], values["num_samples"], codes.tolist()))
    assert rows == expected(corpus)


@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_a_second_run_gives_the_same_bytes(corpus, tmp_path, codec, kind):
    options = ("--format", kind, "--shard-size", 2)
    assert codec(*SHARDS, corpus, tmp_path / "a", *options).exit_code == 0
    assert codec(*SHARDS, corpus, tmp_path / "b", *options).exit_code == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    first, *others = sorted((tmp_path / "a").iterdir())
    first.write_bytes(b"finished")
    for other in others:
        other.unlink()
    outcome = codec(*SHARDS, corpus, tmp_path / "a", *options, "--skip-existing")
    assert outcome.exit_code == 0 and "2 were there already" in outcome.err
    assert first.read_bytes() == b"finished"
    first.unlink()
    (tmp_path / "b" / first.name).unlink()
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_damaged_foreign_and_stereo_codes_are_left_out_and_counted(corpus, tmp_path, codec):
    (corpus / "x-damaged.npy").write_bytes(b"nonsense")
    write_codes(corpus / "y-foreign.npy", np.zeros((2, 9), int), metadata_for(9, "other"))
    length = 9 * 320
    stereo = CodesMetadata("tiny", "0" * 16, 24_000, 320, (1024, 300), length, 24_000, length, 2)
    write_codes(corpus / "z-stereo.npy", np.zeros((2, 2, 9), int), stereo)
    outcome = codec(*SHARDS, corpus, tmp_path / "out")
    assert outcome.exit_code == 3 and "3 of 8 files failed" in outcome.err
    table = pyarrow.parquet.read_table(next((tmp_path / "out").iterdir()))
    assert len(table) == 5
    assert codec(*SHARDS, tmp_path / "out", tmp_path / "none").exit_code == 2


@pytest.mark.parametrize("kind", ["parquet", "webdataset"])
def test_encoding_to_shards_is_encoding_and_then_sharding(tmp_path, tiny_model_dir, codec, kind):
    for index in range(5):
        write_audio(tmp_path / "in" / f"{index % 2}" / f"{index}.wav", 4000 * (6 - index))
    (tmp_path / "in" / "1" / "bad.wav").write_bytes(b"no audio")
    (tmp_path / "utt2spk").write_text("0/0 ada\n1/3 ben\n")
    model = ("--model", tiny_model_dir)
    options = ("--format", kind, "--shard-size", 2, "--utt2spk", tmp_path / "utt2spk")
    assert codec("encode", tmp_path / "in", tmp_path / "codes", *model).exit_code == 3
    (tmp_path / "codes" / "1" / "bad.npy").write_bytes(b"no codes")  # for the same division
    assert codec(*SHARDS, tmp_path / "codes", tmp_path / "a", *options).exit_code == 3
    encode = ("encode", tmp_path / "in", tmp_path / "b", *model, *options)
    manifest = tmp_path / "manifest.jsonl"
    outcome = codec(*encode, "--manifest", manifest)
    assert outcome.exit_code == 3 and "1 of 6 files failed" in outcome.err
    assert len(tree(tmp_path / "a")) == 3
    for name, data in tree(tmp_path / "a").items():  # equal but for what the rows were made of
        other = tree(tmp_path / "b")[name]
        if kind == "webdataset":
            assert data.replace(b'.npy"', b'.wav"') == other
        else:
            first, second = (pyarrow.parquet.read_table(tmp_path / x / name) for x in "ab")
            assert first.drop(["source"]).equals(second.drop(["source"]), check_metadata=True)
            sources = second["source"].to_pylist()
            assert [s.replace(".npy", ".wav") for s in first["source"].to_pylist()] == sources
    lines = {line["id"]: line for line in map(json.loads, manifest.read_text().splitlines())}
    assert lines["1/bad"]["status"] == "failed" and "bad.wav" in lines["1/bad"]["error"]
    assert Path(lines["0/0"]["output"]).is_file() and lines["0/0"]["status"] == "done"
    before = sorted(tree(tmp_path / "b").items())
    first, *others = sorted((tmp_path / "b").iterdir())
    first.write_bytes(b"finished")
    for other in others:
        other.unlink()
    outcome = codec(*encode, "--skip-existing")
    assert "2 were there already" in outcome.err and first.read_bytes() == b"finished"
    assert [path.read_bytes() for path in others] == [data for _, data in before[1:]]


def test_shards_refuse_what_they_cannot_hold(tmp_path, tiny_model_dir, codec):
    path = write_audio(tmp_path / "a.wav", 4000)
    command = ("encode", path, tmp_path / "out", "--model", tiny_model_dir, "--format", "parquet")
    for option, text in (("--keep-channels", "neither"), ("--entropy", "neither")):
        outcome = codec(*command, option)
        assert outcome.exit_code == 2 and text in outcome.err
    outcome = codec("encode", path, path, *command[2:])
    assert outcome.exit_code == 2 and "comes twice" in outcome.err
    assert not (tmp_path / "out").exists()
