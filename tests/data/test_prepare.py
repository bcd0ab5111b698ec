"""Preparing data directories: speakers never in two sets, any file name, bad files left out."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import write_waveform
from audiocodec.cli.main import main
from audiocodec.data.data_dir import Utterance, read_data_dir
from audiocodec.data.prepare import folder_recordings, scan, split_by_speaker
from audiocodec.errors import ConfigError, DataError

RATE = 8_000


def write(path: Path, samples: int = 100) -> None:
    write_waveform(path, np.full(samples, 0.1, np.float32), RATE)


def utterances(speakers: int) -> list[Utterance]:
    return [Utterance(f"s{n}-{k}", Path("x"), f"s{n}", 9) for n in range(speakers) for k in (0, 1)]


@pytest.mark.parametrize(("valid", "test"), [(0.1, 0.3), (2, 1), (1, 0), (0.01, 0.01)])
def test_no_speaker_is_in_two_sets_and_no_utterance_is_lost(valid, test):
    rows = utterances(10)
    sets = split_by_speaker(rows, valid, test, seed=1)
    speakers = [{u.speaker for u in chosen} for chosen in sets.values()]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 10
    assert sorted(u.id for chosen in sets.values() for u in chosen) == [u.id for u in rows]
    assert ("test" in sets) == (test > 0)


def test_the_split_depends_on_the_seed_and_not_on_the_order():
    rows = utterances(30)
    splits = [
        split_by_speaker(r, 5, 5, seed) for r, seed in ((rows, 0), (rows[::-1], 0), (rows, 1))
    ]
    valid = [{u.speaker for u in split["valid"]} for split in splits]
    assert valid[0] == valid[1] != valid[2]


def test_too_few_speakers_and_senseless_sizes_are_refused():
    with pytest.raises(DataError, match="speaker-from"):
        split_by_speaker(utterances(2), 1, 1, 0)
    for size in (-0.1, 1.5):
        with pytest.raises(ConfigError):
            split_by_speaker(utterances(9), size, 1, 0)


def test_the_speaker_is_the_first_folder_or_what_the_expression_finds(tmp_path):
    write(tmp_path / "ann" / "7_x.wav")
    (recording,) = folder_recordings(tmp_path)
    assert (recording.id, recording.speaker) == ("ann-7_x", "ann")
    (recording,) = folder_recordings(tmp_path, r"(\d)_[^/]*$")
    assert recording.speaker == "7"
    with pytest.raises(DataError, match="no speaker"):
        folder_recordings(tmp_path, "(zoe)")
    for expression in ("ann", "("):
        with pytest.raises(ConfigError):
            folder_recordings(tmp_path, expression)


def test_blanks_unicode_and_equal_names_make_a_data_directory_that_reads_back(tmp_path):
    audio = tmp_path / "my audio"
    names = ("Åsa ö/a b.wav", "Åsa ö/a_b.wav", "Åsa ö/a b.flac", "李/你 好.wav", "c/1.WAV")
    for name in names:
        write(audio / name)
    command = ["prepare-data", "folder", "--audio", str(audio), "--output", str(tmp_path / "data")]
    assert main([*command, "--valid", "1", "--test", "1"]) == 0
    rows = [u for s in ("train", "valid", "test") for u in read_data_dir(tmp_path / "data" / s)]
    assert {u.path for u in rows} == {audio / name for name in names}
    assert len({u.id for u in rows}) == len(names)
    assert {(u.num_samples, u.sample_rate) for u in rows} == {(100, RATE)}


def test_unreadable_files_are_named_and_left_out_with_exit_code_3(tmp_path, capsys):
    for speaker in "abc":
        write(tmp_path / "audio" / speaker / "good.wav")
    (tmp_path / "audio" / "a" / "bad.wav").write_text("no audio")
    write(tmp_path / "audio" / "b" / "none.wav", samples=0)
    shutil.copy(tmp_path / "audio" / "a" / "good.wav", tmp_path / "audio" / "a" / "new\nline.wav")
    command = ["prepare-data", "folder", "--audio", str(tmp_path / "audio")]
    assert main([*command, "--output", str(tmp_path / "data")]) == 3
    errors = capsys.readouterr().err
    assert all(name in errors for name in ("bad.wav", "none.wav", r"new\nline.wav", "3 of 6"))
    sets = [read_data_dir(tmp_path / "data" / name) for name in ("train", "valid", "test")]
    assert [len(rows) for rows in sets] == [1, 1, 1]


def test_scanning_in_parallel_gives_the_same_in_the_same_order(tmp_path):
    for number in range(20):
        write(tmp_path / "s" / f"{number:02d}.wav", samples=number + 1)
    recordings = folder_recordings(tmp_path)
    assert scan(recordings, jobs=4) == scan(recordings, jobs=1)


def test_libritts_sets_that_exist_become_data_directories(tmp_path, capsys):
    for name in ("train-clean-100", "dev-clean", "extras"):
        write(tmp_path / "LibriTTS" / name / "19" / "198" / "19_198_000000_000001.wav")
    command = ["prepare-data", "libritts", "--output", str(tmp_path / "data"), "--corpus"]
    for corpus in (tmp_path, tmp_path / "LibriTTS"):
        assert main([*command, str(corpus)]) == 0
    assert sorted(p.name for p in (tmp_path / "data").iterdir()) == ["dev-clean", "train-clean-100"]
    (row,) = read_data_dir(tmp_path / "data" / "dev-clean")
    assert (row.id, row.speaker) == ("19_198_000000_000001", "19")
    assert main([*command, str(tmp_path / "elsewhere")]) == 1
    assert "no set of LibriTTS" in capsys.readouterr().err
