"""Audio shards, read at random where they lie, are the data directory they were made of."""

import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from audiocodec.audio import audio_info, write_waveform
from audiocodec.cli.main import main
from audiocodec.data import audio_index
from audiocodec.data.crops import Crops, CropsConfig
from audiocodec.data.data_dir import Utterance, read_data_dir, write_data_dir
from audiocodec.data.loader import CropLoader
from audiocodec.data.samples import shipped_speech
from audiocodec.data.training_data import read_training_data
from audiocodec.data.utterances import columns_of
from audiocodec.errors import DataError
from audiocodec.training.provenance import data_fingerprint
from tests.data.test_crops import noise

RATE = 8_000
CONFIG = CropsConfig(seconds=0.1, speaker_exponent=0.5)
KINDS = pytest.mark.parametrize("kind", ["tar", "parquet"])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data directory of several formats, rates and channels, two with dots in their ids."""
    rows = []
    for index, (suffix, rate) in enumerate([("wav", 8000), ("flac", 11025), ("ogg", 8000)] * 3):
        path = tmp_path / "audio" / f"x{index}.{suffix}"
        write_waveform(path, np.stack([noise(1 + index / 4, rate, s) for s in (index, 50)]), rate)
        info = audio_info(path)
        name, speaker = f"utt.{index}.v1", f"speaker-{index % 4}"
        rows.append(Utterance(name, path, speaker, info.num_samples, info.sample_rate))
    opus = shipped_speech()[0]
    info = audio_info(opus)
    rows.append(Utterance("ü-opus", opus, "s", info.num_samples, info.sample_rate))
    write_data_dir(tmp_path / "data", rows)
    return tmp_path / "data"


def shard(data: Path, kind: str, size: int = 4, code: int = 0) -> Path:
    output = data.parent / f"{data.name}-{kind}"
    words = ["data", "shard", data, output, "--format", kind, "--shard-size", size, "--jobs", 1]
    assert main([str(word) for word in words]) == code
    return output


def crops(rows, config: CropsConfig = CONFIG, count: int = 40) -> list[tuple[object, ...]]:
    """Crops of several steps, with everything that training sees of them."""
    drawn = Crops(rows, config, RATE, seed=3)
    found = [drawn(step, row) for step in range(count // 4) for row in range(4)]
    return [(crop.waveform.tobytes(), crop.utterance_id, crop.bandwidth) for crop in found]


@KINDS
def test_crops_of_shards_are_those_of_their_data_directory_bit_by_bit(data, kind):
    rows = read_data_dir(data)
    index = read_training_data([shard(data, kind)]).utterances
    plain = [replace(row, path=Path(), sound=None) for row in index]
    assert plain == [replace(row, path=Path()) for row in rows]
    assert data_fingerprint(index) == data_fingerprint(rows)
    assert crops(index) == crops(rows)
    for drawn in ({"draw": "file"}, {"speaker_exponent": 0.0}, {"speaker_exponent": 1.0}):
        config = replace(CropsConfig(seconds=0.1), **drawn)
        assert crops(index, config, 8) == crops(rows, config, 8)


@KINDS
def test_parts_of_recordings_are_cut_out_without_loss(data, kind):
    (data / "segments").write_text(
        "a utt.0.v1 0.1 0.9\nb utt.1.v1 0.25 -1\nc utt.2.v1 0.5 1.2\nd ü-opus 0.3 1.1\n"
    )
    (data / "utt2spk").write_text("a s\nb s\nc t\nd t\n")
    index = read_training_data([shard(data, kind, size=2)]).utterances
    assert crops(index) == crops(read_data_dir(data))


@pytest.mark.parametrize("workers", [0, 2])
def test_readers_and_processes_share_shards_without_changing_the_data(data, workers):
    index = read_training_data([shard(data, "tar", size=3)]).utterances

    def batches(rows, batch_size: int, rank: int, workers: int) -> list[bytes]:
        settings = {"sample_rate": RATE, "seed": 1, "start": 0, "stop": 5, "workers": workers}
        loader = CropLoader(rows, CONFIG, batch_size=batch_size, rank=rank, **settings)
        return [batch.waveform.numpy().tobytes() for batch in loader]

    whole = batches(read_data_dir(data), 4, 0, 0)
    halves = [batches(index, 2, rank, workers) for rank in (0, 1)]
    assert [a + b for a, b in zip(*halves, strict=True)] == whole


def test_shards_may_be_given_as_folder_files_pattern_and_list_and_beside_directories(data):
    folder = shard(data, "tar", size=3)
    files = sorted(folder.glob("*.tar"))
    listed = folder.parent / "shards.txt"
    listed.write_text("".join(f"{path}\n" for path in files))
    wanted = [row.id for row in read_data_dir(data)]
    for given in ([folder], files, [folder / "*-of-*.tar"], [listed]):
        assert [row.id for row in read_training_data(given).utterances] == wanted
    rows = read_training_data([data, *files, data]).utterances
    assert [row.id for row in rows] == 3 * wanted and rows[-1].id == wanted[-1]
    flat = [*read_data_dir(data), *read_training_data([folder]).utterances, *read_data_dir(data)]
    for column, expected in zip(columns_of(rows), columns_of(flat), strict=True):
        np.testing.assert_array_equal(column, expected)
    assert crops(rows, count=8) == crops(flat, count=8)


@pytest.mark.parametrize("given", ["nothing", "*.tar", "empty", "list", "codes.npy"])
def test_what_is_neither_directory_nor_shards_is_one_clear_line(tmp_path, given):
    (tmp_path / "empty").mkdir()
    (tmp_path / "list").write_text(f"{tmp_path}/gone.tar\n")
    (tmp_path / "codes.npy").write_text("x.npy\n")
    with pytest.raises(DataError) as caught:
        read_training_data([tmp_path / given])
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_shards_are_looked_through_once_until_one_changes(data, monkeypatch):
    folder, cache = shard(data, "tar", size=3), data.parent / "exp"
    scanned: list[Path] = []
    inner = audio_index.scan_shard

    def scan(path: Path) -> object:
        scanned.append(path)
        return inner(path)

    monkeypatch.setattr(audio_index, "scan_shard", scan)
    first = crops(read_training_data([folder], cache).utterances)
    assert len(scanned) == 4 and not cache.exists()
    folder = folder.rename(folder.with_name("moved"))
    assert crops(read_training_data([folder], cache).utterances) == first and len(scanned) == 4
    os.utime(next(folder.glob("*.tar")), (1, 1))
    assert crops(read_training_data([folder], cache).utterances) == first and len(scanned) == 8
    for path in folder.glob(".*.npz"):
        path.write_bytes(path.read_bytes()[:100])
    assert crops(read_training_data([folder], cache).utterances) == first and len(scanned) == 12
    for path in folder.glob(".*"):
        path.unlink()
    monkeypatch.setattr(audio_index.os, "access", lambda *_: False)
    for _ in range(2):
        assert crops(read_training_data([folder], cache).utterances) == first
    assert len(scanned) == 16 and not [*folder.glob(".*")] and len([*cache.iterdir()]) == 1


def members(path: Path, *pairs: tuple[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, data in pairs:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_bad_members_are_named_and_left_out(data, tmp_path, capfd):
    """What nothing says the length of is opened at once; the rest when it is drawn."""
    good = read_data_dir(data)[0].path.read_bytes()
    said = json.dumps({"id": "stated", "num_samples": 8000, "sample_rate": 8000}).encode()
    shards = tmp_path / "shards"
    shards.mkdir()
    members(
        shards / "a.tar",
        ("good.wav", good),
        ("empty.wav", b""),
        ("noise.wav", b"no audio"),
        ("half.wav", good[:-100]),
        ("silent.json", b'{"id": "no-audio"}'),
        ("x.wav", good[:500]),
        ("x.json", said),
        ("two.wav", good),
        ("two.flac", good),
    )
    inside_second = 512 + len(good) + -len(good) % 512 + 100
    (shards / "b.tar").write_bytes((shards / "a.tar").read_bytes()[:inside_second])
    (shards / "c.tar").write_bytes(b"no tar")
    rows = [{"id": "p1", "audio": {"bytes": good, "path": None}}, {"id": "p2", "audio": None}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), shards / "d.parquet")
    found = read_training_data([shards])
    assert [row.id for row in found.utterances] == ["good", "stated", "good", "p1"]
    text = "\n".join(found.problems)
    for name in ("empty", "noise", "half", "no-audio", "two", "b.tar", "c.tar", "p2"):
        assert sum(name in line for line in found.problems) == 1, (name, text)
    assert main(["data", "validate", str(shards), "--jobs", "1", "--json"]) == 1
    findings = json.loads(capfd.readouterr().out)["findings"]
    wrong = {finding["id"] for finding in findings if finding["severity"] == "error"}
    assert wrong == {
        "empty",
        "noise",
        "half",
        "no-audio",
        "two",
        "b-damaged",
        "c.tar",
        "p2",
        "stated",
    }
    assert main(["data", "validate", str(shards), "--fix", str(tmp_path / "fixed")]) == 2
    drawn = Crops(found.utterances, CONFIG, RATE, seed=0)
    warnings = [warning for step in range(20) for warning in drawn(step, 0).warnings]
    assert [warning[:2] for warning in warnings] == [("stated", "unreadable")]
    with pytest.raises(DataError, match=r"c\.tar"):
        read_training_data([shards / "c.tar"])


@KINDS
def test_foreign_shards_need_no_more_than_audio(data, tmp_path, kind):
    """WebDataset without JSON, and Parquet as Hugging Face writes it: compressed, by name."""
    rows = read_data_dir(data)
    if kind == "tar":
        names = [
            (f"./sub/{n:03d}{row.path.suffix}", row.path.read_bytes()) for n, row in enumerate(rows)
        ]
        path = members(tmp_path / "foreign.tar", *names)
    else:
        table = [
            {"audio": {"bytes": r.path.read_bytes(), "path": f"{n}.x"}} for n, r in enumerate(rows)
        ]
        path = tmp_path / "foreign.parquet"
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(table), path, row_group_size=4)
    index = read_training_data([path]).utterances
    config = CropsConfig(seconds=0.1)
    wanted = [(crop[0], crop[2]) for crop in crops(rows, config)]
    assert [(crop[0], crop[2]) for crop in crops(index, config)] == wanted
    assert len({row.id for row in index}) == len(rows)


@KINDS
def test_sharding_names_bad_files_and_goes_on_where_it_was_stopped(data, kind, capfd):
    rows = read_data_dir(data)
    rows[1].path.write_bytes(b"no audio")
    output = shard(data, kind, size=3, code=3)
    said = capfd.readouterr()
    assert f"left out: {rows[1].id}: {rows[1].path}" in said.err and "9 utterances" in said.out
    before = {path.name: path.read_bytes() for path in output.iterdir()}
    assert len(before) == 4
    first, second, *_ = sorted(output.iterdir())
    first.write_bytes(b"left as it is")
    second.unlink()
    words = ["data", "shard", str(data), str(output), "--format", kind, "--shard-size", "3"]
    assert main([*words, "--skip-existing"]) == 0
    assert "3 utterances in 1 shards, 3 were there already" in capfd.readouterr().out
    assert first.read_bytes() == b"left as it is"
    assert second.read_bytes() == before[second.name]
    assert main(words) == 3
    assert {path.name: path.read_bytes() for path in output.iterdir()} == before


def test_other_libraries_read_the_shards(data):
    tar = sorted(shard(data, "tar").iterdir())[0]
    with tarfile.open(tar) as file:
        names = file.getnames()
        values = json.loads(file.extractfile("000000001.json").read())
    assert names[:2] == ["000000000.wav", "000000000.json"]
    assert values["id"] == "utt.1.v1" and values["sample_rate"] == 11025
    table = pyarrow.parquet.read_table(sorted(shard(data, "parquet").iterdir())[0])
    assert table.column_names == ["id", "speaker", "num_samples", "sample_rate", "text", "audio"]
    row = table.to_pylist()[0]
    assert row["audio"]["bytes"] == read_data_dir(data)[0].path.read_bytes()


def test_recordings_of_lhotse_shar_are_shards(data, tmp_path):
    from lhotse import CutSet, Recording

    rows = [row for row in read_data_dir(data) if row.path.suffix == ".wav"]
    recordings = [Recording.from_file(row.path, recording_id=row.id) for row in rows]
    cuts = CutSet.from_cuts(recording.to_cut() for recording in recordings)
    cuts.to_shar(tmp_path, fields={"recording": "flac"}, shard_size=2)
    index = read_training_data([tmp_path / "recording.*.tar"]).utterances
    assert [(u.id, u.num_samples, u.sample_rate) for u in index] == [
        (row.id, row.num_samples, row.sample_rate) for row in rows
    ]
    assert len(crops(index)) == 40
