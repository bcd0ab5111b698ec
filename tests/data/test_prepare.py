"""codec data prepare: speakers, ids, the split, and LibriTTS by its names and layout."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import write_waveform
from audiocodec.cli.main import main
from audiocodec.data.data_dir import Utterance, read_data_dir
from audiocodec.data.prepare import LIBRITTS_SETS, split_by_speaker
from audiocodec.errors import ConfigError, DataError

RATE = 24_000


def write_noise(path: Path, seed: int = 0, num_samples: int = 2_400) -> None:
    noise = np.random.default_rng(seed).uniform(-0.3, 0.3, num_samples).astype(np.float32)
    write_waveform(path, noise, RATE)


def prepare(*words: object) -> int:
    return main(["data", "prepare", *map(str, words)])


def speakers(folder: Path) -> set[str]:
    return {row.speaker for row in read_data_dir(folder)}


@pytest.fixture
def audio(tmp_path) -> Path:
    names = ("anna/x 1.wav", "anna/x_1.flac", "Änne/b/é.ogg", "bob/c.wav", "eve/d.wav", "top.wav")
    for seed, name in enumerate(names):
        write_noise(tmp_path / "audio" / name, seed)
    (tmp_path / "audio/bob/notes.txt").write_text("no audio")
    (tmp_path / "audio/bob/._c.wav").write_bytes(b"a file system's remark")
    return tmp_path / "audio"


def test_a_folder_becomes_three_sets_without_a_common_speaker(audio, tmp_path):
    assert prepare("folder", "--audio", audio, "--output", tmp_path / "data") == 0
    folders = [tmp_path / "data" / name for name in ("train", "valid", "test")]
    found = [speakers(folder) for folder in folders]
    assert sorted(name for names in found for name in names) == sorted(
        ["anna", "Änne", "bob", "eve", "unknown"]
    )
    rows = {row.id: row for folder in folders for row in read_data_dir(folder)}
    assert rows.keys() == {"anna-x_1", "anna-x_1.2", "Änne-b-é", "bob-c", "eve-d", "top"}
    assert rows["anna-x_1"].path == audio / "anna/x 1.wav"
    assert {(row.num_samples, row.sample_rate) for row in rows.values()} == {(2_400, RATE)}
    assert main(["data", "validate", *map(str, folders), "--jobs", "1"]) == 0


def test_the_speaker_is_what_the_expression_finds(audio, tmp_path):
    (audio / "top.wav").unlink()
    options = ["--audio", audio, "--output", tmp_path, "--valid", "0", "--test", "0"]
    assert prepare("folder", *options, "--speaker-from", r"^(.)[^/]*/") == 0
    assert speakers(tmp_path / "train") == {"a", "Ä", "b", "e"}
    assert not (tmp_path / "valid").exists()


@pytest.mark.parametrize(
    ("expression", "exit_code", "reason"),
    [("(", 2, "not a regular expression"), ("x", 2, "no group"), ("(anna)", 1, "finds no speaker")],
)
def test_a_wrong_expression_is_an_error(audio, tmp_path, capsys, expression, exit_code, reason):
    options = ["--audio", audio, "--output", tmp_path / "data", "--speaker-from", expression]
    assert prepare("folder", *options) == exit_code
    assert reason in capsys.readouterr().err and not (tmp_path / "data").exists()


def test_unreadable_files_are_named_and_left_out(audio, tmp_path, capsys):
    (audio / "eve/empty.wav").touch()
    assert prepare("folder", "--audio", audio, "--output", tmp_path / "data") == 3
    assert "empty.wav" in capsys.readouterr().err
    ids = {
        row.id
        for name in ("train", "valid", "test")
        for row in read_data_dir(tmp_path / "data" / name)
    }
    assert "eve-d" in ids and "eve-empty" not in ids


def rows_of(count: int) -> list[Utterance]:
    return [Utterance(f"{s}-{n}", Path("x"), f"s{s}", 5) for s in range(count) for n in range(2)]


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (0.01, 1), (0.25, 5), (1, 1), (7, 7)])
def test_a_size_is_a_share_or_a_number_of_speakers(size, expected):
    sets = split_by_speaker(rows_of(20), size, 1, seed=0)
    held = sets.get("valid", [])
    assert len({row.speaker for row in held}) == expected and len(held) == 2 * expected
    assert sum(map(len, sets.values())) == 40


def test_the_split_follows_the_seed_and_hardly_the_other_speakers():
    def held(count: int, seed: int) -> set[str]:
        return {row.speaker for row in split_by_speaker(rows_of(count), 10, 0, seed)["valid"]}

    assert held(100, 0) == held(100, 0) != held(100, 1)
    assert len(held(100, 0) & held(101, 0)) >= 9


def test_impossible_splits_are_errors():
    with pytest.raises(DataError, match="speaker-from"):
        split_by_speaker(rows_of(2), 1, 1, seed=0)
    with pytest.raises(ConfigError, match="whole number"):
        split_by_speaker(rows_of(9), 1.5, 1, seed=0)


@pytest.fixture
def libritts(tmp_path) -> Callable[[str], Path]:
    """A tree with the names and layout of LibriTTS: 2 speakers a set, 2 utterances each."""

    def make(name: str) -> Path:
        root = tmp_path / "corpus" / name
        for index, subset in enumerate(LIBRITTS_SETS):
            for speaker in (f"{100 + index}", f"{8000 + index}"):
                for part in ("000004_000000", "000012_000001"):
                    stem = f"{speaker}_121669_{part}"
                    chapter = root / subset / speaker / "121669"
                    write_noise(chapter / f"{stem}.wav", int(speaker) + len(part) + int(part[5]))
                    (chapter / f"{stem}.normalized.txt").write_text("Some text.")
                    (chapter / f"{stem}.original.txt").write_text("Some text.")
                (chapter / f"{speaker}_121669.trans.tsv").write_text("")
                (chapter / f"{speaker}_121669.book.tsv").write_text("")
        for text in ("SPEAKERS.txt", "BOOKS.txt", "CHAPTERS.txt", "README_librispeech.txt"):
            (root / text).write_text("; a comment\n")
        (root / "NOTE.txt").write_text("")
        return root

    return make


@pytest.mark.parametrize("name", ["LibriTTS", "LibriTTS_R", "."])
def test_libritts_becomes_a_data_directory_for_each_set(libritts, tmp_path, capsys, name):
    root = libritts(name)
    data = tmp_path / "data"
    assert prepare("libritts", "--corpus", tmp_path / "corpus", "--output", data) == 0
    assert sorted(path.name for path in data.iterdir()) == sorted(LIBRITTS_SETS)
    row = read_data_dir(data / "dev-clean")[0]
    path = root / "dev-clean/103/121669/103_121669_000004_000000.wav"
    assert row == Utterance(path.stem, path.resolve(), "103", 2_400, RATE)
    folders = [str(data / subset) for subset in LIBRITTS_SETS]
    assert main(["data", "validate", *folders, "--sample-rate", str(RATE), "--jobs", "1"]) == 0


def test_libritts_may_be_there_in_part_or_not_at_all(libritts, tmp_path, capsys):
    root = libritts("LibriTTS")
    for subset in LIBRITTS_SETS[1:]:
        (root / subset).rename(tmp_path / subset)
    assert prepare("libritts", "--corpus", root, "--output", tmp_path / "data") == 0
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["train-clean-100"]
    assert (
        prepare("libritts", "--corpus", root / "train-clean-100", "--output", tmp_path / "no") == 1
    )
    assert "no set of LibriTTS" in capsys.readouterr().err


def test_the_shipped_speech_is_prepared(tmp_path):
    assert prepare("samples", "--output", tmp_path, "--valid", "2", "--test", "2") == 0
    found = [speakers(tmp_path / name) for name in ("train", "valid", "test")]
    assert [len(names) for names in found] == [6, 2, 2] and len(set.union(*found)) == 10
