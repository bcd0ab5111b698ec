"""`codec encode --part K --of N`: the jobs of an array do together what one run does."""

import json
from pathlib import Path

import numpy as np
import pytest

from audiocodec.pipeline.parts import Part, cut
from tests.cli.helpers import tree, write_audio
from tests.fabricator import fabricate

KINDS = [
    ("--format", "npy"),
    ("--format", "parquet", "--shard-size", 17),
    ("--format", "webdataset", "--shard-size", 17),
]


@pytest.mark.parametrize("of", [1, 3, 7, 40])
def test_every_index_is_in_one_part_and_parts_last_about_equally_long(of):
    seconds = np.random.default_rng(of).lognormal(1, 1, 400)
    parts = [cut(list(seconds), Part(number, of)) for number in range(1, of + 1)]
    assert [index for part in parts for index in part] == list(range(400))
    lengths = [seconds[list(part)].sum() for part in parts]
    assert max(abs(length - seconds.sum() / of) for length in lengths) <= seconds.max()


def test_recordings_without_a_length_are_cut_by_their_number():
    assert [len(cut([0.0] * 10, Part(number, 4))) for number in range(1, 5)] == [2, 3, 2, 3]
    assert len(cut([], Part(1, 2))) == 0


def encode_whole_and_in_parts(codec, source, folder, model, of, options):
    """Trees and manifests of both, all files of each tree named as if it were the other's."""
    words = ("--model", model, *options)
    found = []
    for name, numbers in (("whole", [None]), ("parts", [*range(of, 0, -1)])):
        target, manifest = folder / name / "codes", folder / name / "manifest.jsonl"
        failed = 0
        for number in numbers:
            part = () if number is None else ("--part", number, "--of", of)
            done = codec("encode", source, target, *words, "--manifest", manifest, *part)
            assert done.exit_code in (0, 3), done.err
            failed += done.err.count("codec: error: ") - (done.exit_code == 3)
        lines = manifest.read_text().replace(str(target), "OUT").splitlines()
        files = {k: v.replace(str(target).encode(), b"OUT") for k, v in tree(target).items()}
        found.append((files, [json.loads(line) for line in lines], failed))
    return found


@pytest.mark.parametrize("options", KINDS, ids=lambda words: words[1])
def test_parts_make_the_files_the_list_and_the_manifest_of_one_run(
    codec,
    tmp_path,
    tiny_model_dir,
    options,
):
    bad = fabricate(tmp_path / "data", 120, bad_share=0.1)
    whole, parts = encode_whole_and_in_parts(
        codec, tmp_path / "data", tmp_path, tiny_model_dir, 4, options
    )
    assert whole == parts
    assert {row["id"] for row in whole[1] if row["status"] == "failed"} == bad
    assert whole[2] == len(bad) and len(whole[1]) == 120


@pytest.mark.slow
def test_ten_thousand_utterances_with_bad_ones_have_one_manifest_either_way(
    codec,
    tmp_path,
    tiny_model_dir,
):
    bad = fabricate(tmp_path / "data")
    options = ("--format", "parquet", "--shard-size", 500)
    whole, parts = encode_whole_and_in_parts(
        codec, tmp_path / "data", tmp_path, tiny_model_dir, 7, options
    )
    assert whole == parts
    assert {row["id"] for row in parts[1] if row["status"] == "failed"} == bad and len(bad) == 100


def test_a_part_that_is_redone_or_of_other_inputs_joins_no_wrong_manifest(
    codec,
    tmp_path,
    tiny_model_dir,
):
    for index in range(4):
        write_audio(tmp_path / "in" / f"{index}.wav", 2400)
    manifest = tmp_path / "m.jsonl"
    words = ("encode", tmp_path / "in", tmp_path / "out", "--model", tiny_model_dir)
    words += ("--manifest", manifest, "--of", 2)
    assert codec(*words, "--part", 1).exit_code == 0 and not manifest.exists()
    write_audio(tmp_path / "in" / "00.wav", 2400)
    assert codec(*words, "--part", 2).exit_code == 0 and not manifest.exists()
    assert codec(*words, "--part", 1, "--skip-existing").exit_code == 0
    rows = [json.loads(line) for line in manifest.read_text().splitlines()]
    assert [row["id"] for row in rows] == ["0", "00", "1", "2", "3"]


def test_lengths_come_from_tables_headers_and_sizes(codec, tmp_path, tiny_model_dir):
    """One long file and three short ones: the long one is a part of its own."""
    lengths = {"a": 24_000, "b": 2400, "c": 2400, "d": 2400}
    paths = [write_audio(tmp_path / "in" / f"{key}.wav", n) for key, n in lengths.items()]

    def ids_of_first_part(source: Path) -> list[str]:
        manifest = tmp_path / "first.jsonl"
        words = ("--model", tiny_model_dir, "--manifest", manifest, "--part", 1, "--of", 2)
        assert codec("encode", source, tmp_path / "out", *words).exit_code == 0
        lines = Part(1, 2).manifest(manifest).read_text().splitlines()
        return [json.loads(line)["id"] for line in lines]

    assert ids_of_first_part(tmp_path / "in") == ["a"]
    (tmp_path / "wav.scp").write_text("".join(f"{path.stem} {path}\n" for path in paths))
    (tmp_path / "utt2spk").write_text("".join(f"{path.stem} s\n" for path in paths))
    (tmp_path / "utt2dur").write_text("a 1\nb 1\nc 1\nd 1\n")
    assert ids_of_first_part(tmp_path) == ["a", "b"]


def test_a_part_that_cannot_be_is_refused_in_one_line(codec, tmp_path, tiny_model_dir):
    path = write_audio(tmp_path / "in" / "a.wav", 2400)
    words = ("--model", tiny_model_dir)
    for options, text in (
        (("--part", 1), "go together"),
        (("--of", 1), "go together"),
        (("--part", 3, "--of", 2), "--part is 3; give 1 to 2"),
    ):
        done = codec("encode", path.parent, tmp_path / "out", *words, *options)
        assert done.exit_code == 2 and text in done.err and done.err.count("\n") == 1
    single = codec("encode", path, tmp_path / "a.npy", *words, "--part", 1, "--of", 2)
    assert single.exit_code == 2 and "is one file" in single.err
    assert not (tmp_path / "out").exists()


def test_more_parts_than_shards_leave_some_with_nothing_to_do(codec, tmp_path, tiny_model_dir):
    for index in range(4):
        write_audio(tmp_path / "in" / f"{index}.wav", 2400)
    words = ("encode", tmp_path / "in", tmp_path / "out", "--model", tiny_model_dir)
    words += ("--format", "parquet", "--shard-size", 2, "--of", 3)
    done = [codec(*words, "--part", number) for number in (1, 2, 3)]
    assert [outcome.exit_code for outcome in done] == [0, 0, 0]
    assert "there is work for 2 of 3" in done[1].err
    assert len(tree(tmp_path / "out")) == 2
