"""What each actor of a cluster does, in this process: shards, notes, and going on after a death."""

import json
from pathlib import Path

import fsspec
import pytest

from audiocodec.data import stores
from audiocodec.errors import CodecError, ConfigError, ModelError, PartialFailure
from audiocodec.pipeline.corpus import plan_corpus
from audiocodec.pipeline.encode_corpus import encode_corpus, run_noted
from audiocodec.pipeline.encoding import load_encoder
from audiocodec.pipeline.notes import Notes, plan_of
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.ray_cluster import pack, unpack
from audiocodec.pipeline.ray_encode import ShardActor, _tell
from tests.cli.helpers import tree, write_audio

OPTIONS = EncodeOptions(format="webdataset", shard_size=2, threads=1)


class Killed(BaseException):
    """As if the process were gone."""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    for index in range(6):
        write_audio(tmp_path / "in" / f"{index}.wav", 2000 + 100 * index)
    (tmp_path / "in" / "2.wav").write_bytes(b"no audio")
    (tmp_path / "in" / "3.wav").write_bytes(b"")  # the second shard has nothing
    return tmp_path / "in"


@pytest.fixture
def memory():
    yield "memory://bucket/out"
    fsspec.filesystem("memory").store.clear()


class Run:
    """`codec encode --engine ray` with the actors in this process."""

    def __init__(self, corpus: Path, output: str, model: Path, options=OPTIONS) -> None:
        self.corpus, self.options = plan_corpus([corpus], output, options), options
        self.notes = Notes(output)
        transcoder = load_encoder(model, "cpu", options)
        self.plan = plan_of(self.corpus, options, "tiny", transcoder.model_hash)
        hashed = transcoder.model_hash
        self.actor = ShardActor(model, "cpu", options, self.notes, hashed, str(corpus.parent))
        self.done: list[int] = []

    def __call__(self, kill_after: int = 100) -> None:
        self.notes.begin(self.plan)
        self.kill_after = kill_after
        run_noted(self.corpus, self.corpus.shards, self.notes, self.encode, self.options)

    def encode(self, shards, progress) -> None:
        for shard in shards:
            if len(self.done) == self.kill_after:
                raise Killed
            packed = self.actor({"task": [pack(shard)]})["result"][0]
            index, rows, problem = unpack(packed)
            assert problem is None
            _tell(progress, shard, rows)
            self.done.append(index)


@pytest.mark.parametrize("place", ["disk", "memory"])
def test_a_killed_run_goes_on_and_gives_what_one_process_gives(
    place, corpus, memory, tmp_path, tiny_model_dir
):
    output = memory if place == "memory" else str(tmp_path / "out")
    with pytest.raises(PartialFailure):
        encode_corpus([corpus], tmp_path / "expected", tiny_model_dir, "cpu", OPTIONS)
    with pytest.raises(Killed):
        Run(corpus, output, tiny_model_dir)(kill_after=1)
    again = Run(corpus, output, tiny_model_dir)
    with pytest.raises(PartialFailure, match="2 of 6"):
        again()
    assert again.done == [1, 2]
    expected = tree(tmp_path / "expected")
    assert len(expected) == 2  # of three shards one has nothing good
    assert {name: stores.read_bytes(stores.join(output, name)) for name in expected} == expected
    text = stores.read_bytes(stores.join(output, ".codec", "manifest.jsonl"))
    rows = [json.loads(line) for line in text.splitlines()]
    assert [row["id"] for row in rows] == [str(index) for index in range(6)]
    assert [row["id"] for row in rows if row["status"] == "failed"] == ["2", "3"]
    third = Run(corpus, output, tiny_model_dir)
    with pytest.raises(PartialFailure):
        third()
    assert third.done == []


def test_a_shard_whose_note_was_not_written_is_done_again(corpus, tmp_path, tiny_model_dir):
    output = tmp_path / "out"
    with pytest.raises(PartialFailure):
        Run(corpus, str(output), tiny_model_dir)()
    whole = tree(output)
    (output / ".codec" / "00000.jsonl").unlink()
    (output / ".codec" / "00001.jsonl").write_text("half a li")
    (output / ".codes-00000-of-00003.x.tmp.tar").write_bytes(b"of a process that was killed")
    (output / "codes-00002-of-00003.tar").unlink()
    again = Run(corpus, str(output), tiny_model_dir)
    with pytest.raises(PartialFailure):
        again()
    assert again.done == [0, 1, 2] and tree(output) == whole


def test_another_run_is_refused_by_what_differs(corpus, tmp_path, tiny_model_dir):
    output = str(tmp_path / "out")
    with pytest.raises(PartialFailure):
        Run(corpus, output, tiny_model_dir)()
    before = tree(tmp_path / "out")
    other = EncodeOptions(format="webdataset", shard_size=2, threads=1, num_quantizers=1)
    with pytest.raises(ConfigError, match=r"another run \(num_quantizers None, not 1\)"):
        Run(corpus, output, tiny_model_dir, other)()
    write_audio(corpus / "7.wav", 2000)
    with pytest.raises(ConfigError, match="utterances 6, not 7"):
        Run(corpus, output, tiny_model_dir)()
    assert tree(tmp_path / "out") == before


def test_an_actor_with_another_model_of_that_name_does_nothing(corpus, tmp_path, tiny_model_dir):
    notes = Notes(str(tmp_path / "out"))
    with pytest.raises(ModelError, match="another model on a machine of the cluster"):
        ShardActor(tiny_model_dir, "cpu", OPTIONS, notes, "0" * 16, str(tmp_path))


def test_what_a_cluster_cannot_do_is_refused_in_one_line(corpus, tmp_path, tiny_model_dir):
    for changes, message in (
        ({"part": 1, "of": 2}, "does all parts"),
        ({"channel": "each"}, "neither several channels"),
    ):
        options = EncodeOptions(format="webdataset", engine="ray", **changes)
        with pytest.raises(CodecError, match=message):
            encode_corpus([corpus], tmp_path / "out", tiny_model_dir, "cpu", options)
    assert not (tmp_path / "out").exists()
