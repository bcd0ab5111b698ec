"""Shards decode to what the code files of the same utterances decode to, one file by id."""

import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
import soundfile

from audiocodec import PartialFailure, decode_files
from audiocodec.codes import CodesMetadata, read_codes
from audiocodec.containers.shard_files import OpenShards, open_shard
from audiocodec.containers.shards import FORMATS, Row, describe
from audiocodec.errors import CodeFileError
from audiocodec.models.bundle import load_codec
from tests.cli.helpers import tree, write_audio

KINDS = pytest.mark.parametrize("kind", ["parquet", "webdataset"])


@pytest.fixture(scope="module")
def metadata(tiny_model_dir: Path) -> CodesMetadata:
    codec = load_codec(tiny_model_dir)
    hop, rate = codec.hop_length, codec.sample_rate
    sizes, length = codec.codebook_sizes, 10 * hop - 7
    return CodesMetadata(codec.name, codec.weight_hash, rate, hop, sizes, length, rate, length, 1)


@pytest.fixture
def shard(tmp_path: Path, metadata: CodesMetadata) -> Callable[..., Path]:
    """Writes a shard of ten frames an utterance with these ids; `change` may spoil its rows."""

    def write(
        kind: str,
        *ids: str,
        change: Callable[[int, Row], Row] = lambda _, row: row,
        shared: dict[str, str] | None = None,
        name: str = "shard",
    ) -> Path:
        rows = []
        for index, own in enumerate(ids):
            rng = np.random.default_rng(index)
            codes = rng.integers(
                0, min(metadata.codebook_sizes), (len(metadata.codebook_sizes), 10)
            )
            row = Row(own, None, codes.astype(np.int64), metadata.num_samples)
            rows.append(change(index, row))
        suffix, writer = FORMATS[kind]
        path = tmp_path / f"{name}{suffix}"
        writer(path, rows, describe(metadata) | (shared or {}))
        return path

    return write


@KINDS
def test_shards_decode_to_the_audio_of_the_code_files(tmp_path, tiny_model_dir, codec, kind):
    for index in range(5):
        write_audio(tmp_path / "in" / f"{index % 2}" / f"{index}.v1.wav", 4000 * (5 - index) + 3)
    model = ("--model", tiny_model_dir)
    shards = ("encode", tmp_path / "in", tmp_path / "shards", "--format", kind, "--shard-size", 2)
    assert codec("encode", tmp_path / "in", tmp_path / "codes", *model).exit_code == 0
    assert codec(*shards, *model).exit_code == 0
    for source in ("codes", "shards"):
        decode = ("decode", tmp_path / source, tmp_path / f"{source}.out")
        assert codec(*decode, *model, "--jobs", 4).exit_code == 0
    expected = tree(tmp_path / "codes.out")
    assert len(expected) == 5 and tree(tmp_path / "shards.out") == expected
    first = sorted((tmp_path / "shards").iterdir())[0]
    assert decode_files([first], tmp_path / "one", tiny_model_dir).done == 2
    assert tree(tmp_path / "one").items() <= expected.items()


@KINDS
def test_a_shard_can_be_continued_and_says_what_became_of_each_row(
    tmp_path, tiny_model_dir, codec, shard, metadata, kind
):
    manifest = tmp_path / "manifest.jsonl"
    command = ("decode", shard(kind, "a", "b/c"), tmp_path / "out", "--model", tiny_model_dir)
    write_audio(tmp_path / "out" / "a.wav", 5)
    outcome = codec(*command, "--skip-existing", "--manifest", manifest)
    assert outcome.exit_code == 0 and "1 were there already" in outcome.err
    assert soundfile.info(tmp_path / "out" / "a.wav").frames == 5
    assert soundfile.info(tmp_path / "out" / "b" / "c.wav").frames == metadata.num_samples
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [(line["id"], line["status"]) for line in lines] == [("a", "there"), ("b/c", "done")]


@KINDS
@pytest.mark.parametrize("skip", [[], ["--skip-existing"]])
def test_bad_rows_are_counted_and_write_nothing_outside(
    tmp_path, tiny_model_dir, codec, shard, kind, skip
):
    def change(index: int, row: Row) -> Row:
        codes, length = row.codes.copy(), row.num_samples
        if index == 4:
            codes[1, 3] = 1 << 40
        if index == 5:
            length += 1000
        if index == 6:
            codes[0, 0] = -1
        return Row(row.id, row.speaker, codes, length)

    ids = ("good", "../out", "/abs", "good", "large", "long", "negative", "", "a/../../b", "fine")
    path = shard(kind, *ids, change=change)
    write_audio(tmp_path / "out.wav", 5)
    before = tree(tmp_path)
    folder = tmp_path / "out"
    outcome = codec("decode", path, folder, "--model", tiny_model_dir, *skip)
    assert outcome.exit_code == 3 and "8 of 10 files failed" in outcome.err
    for text in (
        "'../out' cannot",
        "'/abs' cannot",
        "'good' comes twice",
        "row 4 (large)",
        "row 7",
    ):
        assert text in outcome.err
    assert outcome.err.count("codec: error: ") == 9 and "Traceback" not in outcome.err
    assert set(tree(folder)) == {"good.wav", "fine.wav"}
    assert {name: data for name, data in tree(tmp_path).items() if "out/" not in name} == before


@KINDS
def test_a_damaged_shard_costs_no_other(tmp_path, tiny_model_dir, codec, shard, kind):
    shard(kind, "a", "b", name="1")
    whole = shard(kind, "c", "d", "e", name="2")
    end = len(whole.read_bytes()) if kind == "parquet" else 7 * 512 + 1  # in the fourth file
    whole.write_bytes(whole.read_bytes()[: end - 9])
    command = ("decode", tmp_path, tmp_path / "out", "--model", tiny_model_dir)
    outcome = codec(*command)
    assert outcome.exit_code == 3 and f"codec: error: {whole}: " in outcome.err
    assert {"a.wav", "b.wav"} <= set(tree(tmp_path / "out")) and "Traceback" not in outcome.err
    if kind == "parquet":
        outcome = codec("decode", whole, *command[2:])
        assert outcome.exit_code == 1 and outcome.err.count("\n") == 1


def test_a_damaged_page_of_a_parquet_file_is_noticed(tmp_path, tiny_model_dir, codec, shard):
    path = shard("parquet", "a", "b")
    column = pyarrow.parquet.ParquetFile(path).metadata.row_group(0).column(3)
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 0x55
    path.write_bytes(data)
    outcome = codec("decode", path, tmp_path / "out", "--model", tiny_model_dir)
    assert outcome.exit_code == 3 and "2 of 2 files failed" in outcome.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("blocks", range(1, 14))
def test_a_tar_file_cut_anywhere_is_never_taken_for_whole(shard, blocks):
    path = shard("webdataset", "a", "b")
    path.write_bytes(path.read_bytes()[: blocks * 512])
    try:
        found = open_shard(path)
    except CodeFileError:
        return
    whole = [row.id for row in found.rows if row.problem is None] == ["a", "b"]
    assert found.problem is not None or (whole and path.read_bytes()[-512:] == bytes(512))


@KINDS
def test_codes_of_another_model_and_of_none_are_refused_once(
    tmp_path, tiny_model_dir, codec, shard, kind
):
    command = (tmp_path / "out", "--model", tiny_model_dir)
    other = shard(kind, "a", "b", shared={"model_hash": "0" * 16})
    outcome = codec("decode", other, *command)
    assert outcome.exit_code == 1 and "made by model" in outcome.err
    assert outcome.err.count("\n") == 1
    unnamed = shard(kind, "a", "b", shared={"codebook_sizes": "many"})
    outcome = codec("decode", unnamed, *command)
    assert outcome.exit_code == 1 and "does not say what model" in outcome.err
    outcome = codec("decode", unnamed, tmp_path / "a.wav")
    assert outcome.exit_code == 2 and "give a folder" in outcome.err
    assert not (tmp_path / "out").exists() and not (tmp_path / "a.wav").exists()


def test_a_row_of_another_model_costs_no_other(tmp_path, tiny_model_dir, codec, shard):
    foreign = shard("webdataset", "a", shared={"model_hash": "0" * 16}, name="1")
    parts = foreign, shard("webdataset", "b", "c", name="2")
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "mixed.tar", "w") as mixed:
        for number, part in enumerate(parts):
            with tarfile.open(part) as tar:
                for member in tar:
                    data = tar.extractfile(member)
                    member.name = f"./{number}/{member.name}"
                    mixed.addfile(member, data)
    outcome = codec("decode", tmp_path / "in", tmp_path / "out", "--model", tiny_model_dir)
    assert outcome.exit_code == 3 and "row 0 (a): made by model" in outcome.err
    assert set(tree(tmp_path / "out")) == {"b.wav", "c.wav"}


def test_what_is_no_shard_is_one_line(tmp_path, tiny_model_dir, codec):
    pyarrow.parquet.write_table(pyarrow.table({"id": ["a"]}), tmp_path / "a.parquet")
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.add(tmp_path / "a.parquet", "readme.txt")
    (tmp_path / "c.tar").write_bytes(b"no tar file" * 100)
    os.mkfifo(tmp_path / "d.tar")
    for name in ("a.parquet", "b.tar", "c.tar", "d.tar", "missing.parquet"):
        for command in (("decode", tmp_path / name, tmp_path / "out"), ("info", tmp_path / name)):
            outcome = codec(*command, "--model", tiny_model_dir)
            assert outcome.exit_code == 1 and outcome.err.count("\n") == 1, outcome.err
            assert name in outcome.err
    both = [tmp_path / "a.parquet", tmp_path / "b.tar"]
    with pytest.raises(PartialFailure):
        decode_files(both, tmp_path / "out", tiny_model_dir)


@KINDS
def test_rows_come_in_any_order_and_few_are_held(shard, kind):
    path = shard(kind, *map(str, range(700)))
    shards = OpenShards()
    for row in (0, 699, 3, 300, 301, 127, 128, 699, 256):
        expected = np.random.default_rng(row)
        codes, metadata = shards.read(path, row)
        sizes = metadata.codebook_sizes
        assert (codes == expected.integers(0, min(sizes), (len(sizes), 10))).all()
    if kind == "parquet":
        assert sum(batch.num_rows for _, batch in shards.shards[path].recent) <= 256
    shards.close()


@KINDS
def test_shards_are_converted_to_code_files_of_the_same_codes(tmp_path, codec, shard, kind):
    path = shard(kind, "a", "b/c", "../d")
    outcome = codec("convert", path, tmp_path / "out", "--format", "codec")
    assert outcome.exit_code == 3 and "1 of 3 files failed" in outcome.err
    assert set(tree(tmp_path / "out")) == {"a.codec", "b/c.codec"}
    shards = OpenShards()
    for row, name in enumerate(("a", "b/c")):
        codes, metadata = read_codes(tmp_path / "out" / f"{name}.codec")
        expected = shards.read(path, row)
        assert (codes == expected[0]).all() and metadata == expected[1]
    shards.close()


@KINDS
def test_an_id_that_is_no_text_survives_as_an_escape(tmp_path, tiny_model_dir, codec, shard, kind):
    name = os.fsdecode(b"a\xff")
    outcome = codec("decode", shard(kind, name), tmp_path / "out", "--model", tiny_model_dir)
    assert outcome.exit_code == 0
    escaped = r"a\udcff" if kind == "parquet" else name
    assert [path.stem for path in (tmp_path / "out").iterdir()] == [escaped]


@KINDS
def test_info_says_what_is_in_a_shard(codec, shard, metadata, kind):
    report = json.loads(codec("info", shard(kind, "a", "b"), "--json").out)
    assert (report["utterances"], report["model_hash"]) == (2, metadata.model_hash)
    assert report["num_samples"] == 2 * metadata.num_samples and "problems" not in report
