"""Corpora to shards: the division, and where they come from and go to."""

import json
from pathlib import Path

import fsspec
import pytest
import soundfile

from audiocodec.data import stores
from audiocodec.errors import ConfigError
from audiocodec.pipeline.corpus import plan_corpus
from audiocodec.pipeline.options import EncodeOptions
from tests.cli.helpers import noise, tree, write_audio

OPTIONS = EncodeOptions(format="webdataset", shard_size=2)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Five good recordings and a bad one."""
    for index in range(5):
        write_audio(tmp_path / "in" / f"{index % 2}" / f"{index}.wav", 2000 + 100 * index)
    (tmp_path / "in" / "1" / "bad.wav").write_bytes(b"no audio")
    return tmp_path / "in"


@pytest.fixture
def memory():
    yield "memory://bucket"
    fsspec.filesystem("memory").store.clear()


def test_shards_follow_the_order_of_the_listing(corpus):
    plan = plan_corpus([corpus], "out", OPTIONS)
    assert [item.name for item in plan.items] == ["0/0", "0/2", "0/4", "1/1", "1/3", "1/bad"]
    assert [len(shard.items) for shard in plan.shards] == [2, 2, 2]
    other = plan_corpus([corpus], "elsewhere", OPTIONS)
    assert other.digest() == plan.digest()
    one = plan_corpus([corpus], "out", EncodeOptions(format="webdataset", shard_size=3))
    assert one.digest() != plan.digest()


def test_shards_may_be_cut_by_hours_where_lengths_are_known(tmp_path):
    write_audio(tmp_path / "all.wav", 24_000)
    ends = [0.5, 0.6, 0.9, 1.0]
    lines = [f"u{i} all {a} {b}\n" for i, (a, b) in enumerate(zip([0, *ends], ends, strict=False))]
    (tmp_path / "segments").write_text("".join(lines))
    (tmp_path / "wav.scp").write_text(f"all {tmp_path / 'all.wav'}\n")
    options = EncodeOptions(format="webdataset", shard_hours=0.4 / 3600)
    plan = plan_corpus([tmp_path], "out", options)
    assert [len(shard.items) for shard in plan.shards] == [1, 2, 1]
    assert plan.shards[1].seconds == pytest.approx(0.4)
    with pytest.raises(ConfigError, match="its length is not known"):
        plan_corpus([tmp_path / "all.wav"], "out", options)


def test_ids_that_come_twice_get_the_name_of_their_table(corpus, tmp_path):
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet

    for name in ("a", "b"):
        table = arrow.table({"id": ["1", "2"], "audio": [b"x", b"y"]})
        pyarrow.parquet.write_table(table, tmp_path / f"{name}.parquet")
    plan = plan_corpus([tmp_path / "a.parquet", tmp_path / "b.parquet"], "out", OPTIONS)
    assert [item.name for item in plan.items] == ["a/1", "a/2", "b/1", "b/2"]
    with pytest.raises(ConfigError, match="comes twice"):
        plan_corpus([corpus, corpus], "out", OPTIONS)


def copy(folder: Path, url: str) -> None:
    for path in folder.rglob("*.wav"):
        inside = path.relative_to(folder).as_posix()
        stores.write_bytes(f"{url}/{inside}", path.read_bytes())


def test_what_comes_from_and_goes_to_a_store_is_what_the_disk_has(
    corpus, memory, tmp_path, tiny_model_dir, codec
):
    copy(corpus, f"{memory}/in")
    common = ("--model", tiny_model_dir, "--format", "webdataset", "--shard-size", 2)
    assert codec("encode", corpus, tmp_path / "out", *common).exit_code == 3
    manifest = tmp_path / "manifest.jsonl"
    command = ("encode", f"{memory}/in", f"{memory}/out", *common, "--manifest", manifest)
    outcome = codec(*command)
    assert outcome.exit_code == 3 and f"codec: error: {memory}/in/1/bad.wav: " in outcome.err
    for name, data in tree(tmp_path / "out").items():
        assert stores.read_bytes(f"{memory}/out/{name}") == data
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [row["status"] for row in rows] == ["done"] * 5 + ["failed"]
    assert rows[0]["source"] == f"{memory}/in/0/0.wav"
    assert rows[0]["output"] == f"{memory}/out/codes-00000-of-00003.tar"
    assert codec("encode", f"{memory}/in", tmp_path / "files", *common[:2]).exit_code == 3
    assert (tmp_path / "files" / "0" / "0.npy").is_file()
    assert codec("encode", corpus, f"{memory}/files", *common[:2]).exit_code == 2


def test_a_store_that_falls_silent_costs_no_recording(
    corpus, memory, tmp_path, tiny_model_dir, codec, monkeypatch
):
    copy(corpus, f"{memory}/in")
    store = type(fsspec.filesystem("memory"))
    whole = store.cat_file

    def flaky(self, path, *arguments, **options):
        if path.endswith("1/3.wav"):
            raise TimeoutError("slow down")
        return whole(self, path, *arguments, **options)

    monkeypatch.setattr(store, "cat_file", flaky)
    command = ("encode", f"{memory}/in", tmp_path / "out", "--model", tiny_model_dir)
    command = (*command, "--format", "webdataset", "--shard-size", 2)
    outcome = codec(*command)
    assert outcome.exit_code == 1 and "3.wav: the store does not" in outcome.err
    assert [path.name for path in sorted((tmp_path / "out").iterdir())] == [
        "codes-00000-of-00003.tar",
        "codes-00001-of-00003.tar",
    ]
    monkeypatch.undo()
    assert codec(*command, "--skip-existing").exit_code == 3
    assert len(tree(tmp_path / "out")) == 3


def test_speakers_come_from_the_source_unless_they_are_given(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for name in "ab":
        soundfile.write(tmp_path / f"{name}.wav", noise(2000), 24_000)
    (data / "wav.scp").write_text("".join(f"{n} {tmp_path / n}.wav\n" for n in "ab"))
    (data / "utt2spk").write_text("a ann\nb ben\n")
    (tmp_path / "utt2spk").write_text("b bob\n")
    plan = plan_corpus([data], "out", OPTIONS)
    assert [item.speaker for item in plan.items] == ["ann", "ben"]
    options = EncodeOptions(format="webdataset", utt2spk=tmp_path / "utt2spk")
    plan = plan_corpus([data], "out", options)
    assert [item.speaker for item in plan.items] == ["ann", "bob"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--actors", 2), "give --engine ray"),
        (("--engine", "ray", "--format", "npy"), "npy files are not written by engine ray"),
        (("--engine", "ray", "--gpus-per-actor", -1), "gpus-per-actor is -1.0"),
        (("--format", "parquet", "--shard-hours", 0), "shard-hours is 0.0"),
        (("--shard-hours", 1), "shard-hours is of shards"),
        (("--engine", "ray", "--part", 1, "--of", 2), "does all parts"),
    ],
)
def test_options_that_cannot_go_together_are_refused(corpus, tmp_path, codec, options, message):
    outcome = codec("encode", corpus, tmp_path / "out", *options)
    assert outcome.exit_code == 2 and message in outcome.err and outcome.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
