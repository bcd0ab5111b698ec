import json
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import write_waveform
from audiocodec.cli.main import main
from audiocodec.data.data_dir import Utterance, read_data_dir, read_scp, write_data_dir
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
    assert read_scp(tmp_path / "data/wav.scp")["b-2"] == rows[0].path


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("wav.scp", "a x.wav\na y.wav\n", "comes twice"),
        ("wav.scp", "a\n", "no value"),
        ("utt2spk", "", "no line for 'a'"),
        ("utt2num_samples", "a many\n", "whole number"),
    ],
)
def test_contradictions_are_named_with_file_and_id(name, text, reason, tmp_path):
    write_data_dir(tmp_path, [Utterance("a", Path("x.wav"), "s", 5, None)])
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=reason) as caught:
        read_data_dir(tmp_path)
    assert name in str(caught.value)


def test_validation_names_every_trouble_and_repairs_a_copy(tmp_path, capsys):
    good = [utterance(tmp_path, f"good{i}", noise(i), speaker="anna") for i in range(3)]
    silent = utterance(tmp_path, "silent", np.zeros(RATE, np.float32))
    clipped = utterance(tmp_path, "clipped", np.sign(noise(7)))
    missing = Utterance("missing", tmp_path / "missing.wav", "s", 5, RATE)
    twin = utterance(tmp_path, "twin", noise(0))
    rate = Utterance("rate", utterance(tmp_path, "rate", noise(8)).path, "s", RATE, 16_000)
    length = Utterance("length", utterance(tmp_path, "length", noise(9)).path, "s", 123, RATE)
    broken = utterance(tmp_path, "broken", noise(10))
    broken.path.write_bytes(broken.path.read_bytes()[:10])
    write_data_dir(
        tmp_path / "train", [*good, silent, clipped, missing, twin, rate, length, broken]
    )
    write_data_dir(tmp_path / "dev", [utterance(tmp_path, "dev", noise(11), speaker="anna")])
    folders = [str(tmp_path / "train"), str(tmp_path / "dev")]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    assert main(["validate-data", *folders, "--json", "--jobs", "1"]) == 1
    report = json.loads(capsys.readouterr().out)
    problems = {finding["id"]: finding["problem"] for finding in report["findings"]}
    expected = {
        "silent": "is silent",
        "clipped": "is clipped",
        "missing": "no such audio file",
        "twin": "same audio",
        "rate": "at 8000 Hz, 16000 expected",
        "length": "has 8000 samples, utt2num_samples says 123",
        "broken": "not readable",
        "anna": "several sets",
    }
    assert problems.keys() == expected.keys()
    for identifier, text in expected.items():
        assert text in problems[identifier]

    assert main(["validate-data", *folders, "--fix", str(tmp_path / "fixed"), "--jobs", "1"]) == 0
    repaired = {row.id: row for row in read_data_dir(tmp_path / "fixed/train")}
    assert repaired.keys() == {"good0", "good1", "good2", "clipped", "twin", "rate", "length"}
    assert repaired["rate"].sample_rate == RATE and repaired["length"].num_samples == RATE
    assert before == {path: path.read_bytes() for path in before}
