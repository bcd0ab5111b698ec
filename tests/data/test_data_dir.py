import json
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import write_waveform
from audiocodec.cli.main import main
from audiocodec.data.data_dir import Utterance, read_data_dir, write_data_dir
from audiocodec.errors import DataError

RATE = 8_000


def utterance(folder: Path, name: str, waveform: np.ndarray, speaker: str = "s") -> Utterance:
    path = folder / f"{name}.wav"
    write_waveform(path, waveform, RATE)
    return Utterance(name, path, speaker, len(waveform), RATE)


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.5, 0.5, RATE).astype(np.float32)


def test_a_data_directory_survives_writing_and_reading(tmp_path):
    rows = [
        Utterance("b-2", Path("/somewhere/ä folder/with  spaces .wav"), "b", 12, 16_000),
        Utterance("a-1", Path("relative/x.flac"), "a", 34, 24_000),
    ]
    write_data_dir(tmp_path / "data", rows)
    assert read_data_dir(tmp_path / "data") == sorted(rows, key=lambda row: row.id)
    assert (tmp_path / "data/spk2utt").read_text() == "a a-1\nb b-2\n"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([("a b", "x.wav", "s")], "no blanks"),
        ([("a", "x.wav", "")], "no blanks"),
        ([("a", "x\n.wav", "s")], "line break"),
        ([("a", "x.wav ", "s")], "ends with a blank"),
        ([("a", "x.wav|", "s")], "like a command"),
        ([("a\ufeff", "x.wav", "s")], "no blanks"),
        ([("a", "x.wav", "s"), ("a", "y.wav", "s")], "comes twice"),
    ],
)
def test_what_could_not_be_read_back_is_not_written(rows, reason, tmp_path):
    with pytest.raises(DataError, match=reason):
        write_data_dir(tmp_path, [Utterance(i, Path(p), s, 5) for i, p, s in rows])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("wav.scp", "a x.wav\na y.wav\n", "comes twice"),
        ("wav.scp", "a\n", "no value"),
        ("utt2spk", "", "no line for 'a'"),
        ("utt2num_samples", "a many\n", "whole number"),
        ("utt2spk", b"a \0\n", "no text"),
        ("wav.scp", "a sph2pipe x.sph |\n", "is a command"),
        ("segments", "a other 0 1\n", "not in wav.scp"),
        ("segments", "a a 1 0.5\n", "begin before end"),
        ("segments", "a a nan 1\n", "give seconds"),
    ],
)
def test_contradictions_are_named_with_file_and_id(name, text, reason, tmp_path):
    write_data_dir(tmp_path, [Utterance("a", Path("x.wav"), "s", 5, None)])
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(DataError, match=reason) as caught:
        read_data_dir(tmp_path)
    assert name in str(caught.value)


def validate(capsys, *words: object) -> tuple[int, dict[str, list[str]]]:
    """Exit code and, of each id, the problems that were found."""
    exit_code = main(["data", "validate", *map(str, words), "--json", "--jobs", "1"])
    problems: dict[str, list[str]] = {}
    for finding in json.loads(capsys.readouterr().out)["findings"]:
        problems.setdefault(finding["id"], []).append(finding["problem"])
    return exit_code, problems


def test_validation_names_every_trouble_of_the_audio_and_repairs_a_copy(tmp_path, capsys):
    good = [utterance(tmp_path, f"good{i}", noise(i), speaker="anna") for i in range(3)]
    silent = utterance(tmp_path, "silent", np.zeros(RATE, np.float32))
    clipped = utterance(tmp_path, "clipped", np.sign(noise(7)))
    missing = Utterance("missing", tmp_path / "missing.wav", "s", 5, RATE)
    twin = utterance(tmp_path, "twin", noise(0))
    rate = Utterance("rate", utterance(tmp_path, "rate", noise(8)).path, "s", RATE, 16_000)
    length = Utterance("length", utterance(tmp_path, "length", noise(9)).path, "s", 123, RATE)
    broken = utterance(tmp_path, "broken", noise(10))
    broken.path.write_bytes(broken.path.read_bytes()[:10])
    cut = utterance(tmp_path, "cut", noise(12))
    cut.path.write_bytes(cut.path.read_bytes()[: 44 + 2 * 5_000])
    nan = Utterance("nan", tmp_path / "nan.wav", "s", RATE, RATE)
    write_waveform(nan.path, np.full(RATE, np.nan, np.float32), RATE, subtype="FLOAT")
    rows = [*good, silent, clipped, missing, twin, rate, length, broken, cut, nan]
    write_data_dir(tmp_path / "train", rows)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    exit_code, problems = validate(capsys, tmp_path / "train")
    assert exit_code == 1
    expected = {
        "silent": "is silent",
        "clipped": "is clipped",
        "missing": "no such audio file",
        "twin": "same audio as good0",
        "rate": "at 8000 Hz, 16000 expected",
        "length": "has 8000 samples, utt2num_samples says 123",
        "broken": "truncated",
        "cut": "truncated: 10000 of 16000 bytes",
        "nan": "NaN",
    }
    assert problems.keys() == expected.keys()
    for identifier, text in expected.items():
        assert len(problems[identifier]) == 1 and text in problems[identifier][0]

    assert validate(capsys, tmp_path / "train", "--fix", tmp_path / "fixed")[0] == 0
    repaired = {row.id: row for row in read_data_dir(tmp_path / "fixed/train")}
    dropped = {"silent", "missing", "broken", "cut", "nan"}
    assert repaired.keys() == {row.id for row in rows} - dropped
    assert repaired["rate"].sample_rate == RATE and repaired["length"].num_samples == RATE
    assert before == {path: path.read_bytes() for path in before}
    exit_code, problems = validate(capsys, tmp_path / "fixed/train")
    assert exit_code == 0 and problems.keys() == {"clipped", "twin"}  # warnings


def test_validation_names_every_trouble_of_the_tables_and_repairs_a_copy(tmp_path, capsys):
    rows = [utterance(tmp_path, name, noise(i)) for i, name in enumerate("abcdef")]
    folder = tmp_path / "train"
    write_data_dir(folder, rows)
    with open(folder / "wav.scp", "a") as file:
        file.write("a other.wav\nempty\n")
    (folder / "utt2spk").write_text("a s\nb s\nd s\ne s\nf s\nghost s\n")
    (folder / "utt2num_samples").write_text(f"a {RATE}\nb {RATE}\nc {RATE}\nd many\nf {RATE}\n")
    exit_code, problems = validate(capsys, folder)
    assert exit_code == 1
    assert problems == {
        "a": ["comes twice in wav.scp, line 7"],
        "empty": ["has no value in wav.scp, line 8"],
        "c": ["has no speaker in utt2spk"],
        "d": ["has 'many' in utt2num_samples, no whole number"],
        "e": ["is not in utt2num_samples"],
        "ghost": ["is in utt2spk but not in wav.scp"],
        "s": ["has other utterances in spk2utt than in utt2spk"],
    }
    assert validate(capsys, folder, "--fix", tmp_path / "fixed")[0] == 0
    assert [row.id for row in read_data_dir(tmp_path / "fixed/train")] == list("abdef")
    assert validate(capsys, tmp_path / "fixed/train") == (0, {})


def test_a_speaker_or_a_recording_in_two_sets_is_found_and_not_mended(tmp_path, capsys):
    write_data_dir(tmp_path / "train", [utterance(tmp_path, "a", noise(0), "anna")])
    twin = utterance(tmp_path, "b", noise(0), "anna")
    write_data_dir(tmp_path / "dev", [twin])
    write_data_dir(tmp_path / "test", [Utterance("a", twin.path, "bert", RATE, RATE)])
    folders = [tmp_path / name for name in ("train", "dev", "test")]
    expected = {
        "anna": ["the speaker is in several sets"],
        "b": [f"has the same audio as a of {folders[0]}"],
        "a": [f"has the same {what} as a of {folders[0]}" for what in ("audio", "id")],
    }
    assert validate(capsys, *folders) == (1, expected)
    assert validate(capsys, *folders, "--fix", tmp_path / "fixed") == (1, expected)


def test_a_repair_never_overwrites(tmp_path, capsys, monkeypatch):
    write_data_dir(tmp_path / "one/train", [utterance(tmp_path, "a", noise(0), "anna")])
    write_data_dir(tmp_path / "two/train", [utterance(tmp_path, "b", noise(1), "bert")])
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    one, two = tmp_path / "one/train", tmp_path / "two/train"
    assert validate(capsys, one, "--fix", tmp_path / "one")[0] == 1
    assert validate(capsys, one, two, "--fix", tmp_path / "fixed")[0] == 1
    monkeypatch.chdir(one)
    assert validate(capsys, ".", "--fix", "..")[0] == 1
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_the_number_of_processes_does_not_change_the_findings(tmp_path, capsys):
    rows = [utterance(tmp_path, f"u{i:03d}", noise(i % 60)[:800]) for i in range(150)]
    write_data_dir(tmp_path / "data", rows)
    outputs = []
    for jobs in ("1", "2"):
        assert main(["data", "validate", str(tmp_path / "data"), "--jobs", jobs]) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[1] and outputs[0].count("same audio") == 90
