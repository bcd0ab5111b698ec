import unicodedata
from pathlib import Path

import numpy as np
import pytest
import soundfile

from audiocodec.data.data_dir import Utterance, write_data_dir
from audiocodec.errors import DataError
from audiocodec.evaluation.pairs import pair_files


def write(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.zeros(8), 8000)


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two speakers with one utterance each, the decoded ones in another format."""
    names = ("ann/1", "bob/2")
    write(*(tmp_path / "ref" / f"{name}.wav" for name in names))
    write(*(tmp_path / "deg" / f"{name}.flac" for name in names))
    return tmp_path / "ref", tmp_path / "deg"


def test_files_pair_by_their_path_below_the_folder_and_the_first_folder_is_the_speaker(sides):
    reference, degraded = sides
    write(degraded / "bob" / ".hidden.flac")
    first, second = pair_files(reference, degraded)
    assert (first.id, first.speaker, second.id, second.speaker) == ("ann/1", "ann", "bob/2", "bob")
    assert first.degraded == degraded / "ann" / "1.flac"
    assert not first.problem and not second.problem


def test_a_data_directory_a_list_of_ids_and_a_list_of_paths_are_the_same(sides, tmp_path):
    reference, degraded = sides
    utterances = [
        Utterance("1", reference / "ann/1.wav", "ann", 8),
        Utterance("2", reference / "bob/2.wav", "bob", 8),
    ]
    write_data_dir(tmp_path / "data", utterances)
    (tmp_path / "deg.scp").write_text(f"2 {degraded}/bob/2.flac\n1 {degraded}/ann/1.flac\n")
    (tmp_path / "deg.txt").write_text(f"{degraded}/ann/1.flac\n{degraded}/bob/2.flac\n")
    expected = pair_files(tmp_path / "data", tmp_path / "deg.scp")
    assert [(pair.id, pair.speaker, pair.problem) for pair in expected] == [
        ("1", "ann", ""),
        ("2", "bob", ""),
    ]
    assert pair_files(tmp_path / "data", tmp_path / "deg.txt") == expected
    assert pair_files(tmp_path / "data", degraded) == expected  # ids are names without folders


def test_two_files_are_a_pair_whatever_their_names(sides):
    reference, degraded = sides
    (pair,) = pair_files(reference / "ann/1.wav", degraded / "bob/2.flac")
    assert (pair.id, pair.problem) == ("1", "")


def test_every_id_of_either_side_is_there_once_and_says_what_is_wrong(sides, tmp_path):
    reference, degraded = sides
    write(reference / "ann/3.wav", degraded / "ann/4.flac")
    write(degraded / "bob/2.wav")
    problems = {pair.id: pair.problem for pair in pair_files(reference, degraded)}
    assert problems == {
        "ann/1": "",
        "ann/3": "no degraded file",
        "ann/4": "no reference file",
        "bob/2": "duplicate id in the degraded",
    }
    (tmp_path / "twice.scp").write_text(f"1 {reference}/ann/1.wav\n1 {reference}/bob/2.wav\n")
    (tmp_path / "deg.scp").write_text(f"1 {degraded}/ann/1.flac\n")
    (pair,) = pair_files(tmp_path / "twice.scp", tmp_path / "deg.scp")
    assert pair.problem == "duplicate id in the reference"


def test_names_pair_in_any_unicode_form_with_a_flag(tmp_path):
    name = "naïve ñandú 你好"
    write(tmp_path / "ref" / (unicodedata.normalize("NFC", name) + ".wav"))
    write(tmp_path / "deg" / (unicodedata.normalize("NFD", name) + ".wav"))
    (pair,) = pair_files(tmp_path / "ref", tmp_path / "deg")
    assert pair.id == name and not pair.problem and "Unicode" in pair.flag


def test_sides_that_are_missing_empty_or_of_other_ids_are_refused(sides, tmp_path):
    reference, degraded = sides
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no such folder"):
        pair_files(reference, tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"empty: no \.wav"):
        pair_files(reference, tmp_path / "empty")
    with pytest.raises(DataError, match="no id is on both sides, only such as '1' and '2'"):
        pair_files(reference / "ann", degraded / "bob")
