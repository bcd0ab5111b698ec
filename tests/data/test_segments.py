"""`segments` mean the same to encoding, evaluation, training and validation."""

import json
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import read_waveform, write_waveform
from audiocodec.cli.main import main
from audiocodec.data.crops import Crops, CropsConfig
from audiocodec.data.data_dir import read_data_dir
from audiocodec.data.lists import read_entries
from audiocodec.data.segments import Span
from audiocodec.evaluation.pairs import pair_files
from audiocodec.evaluation.scoring import score_pair

RATE = 8_000
SEGMENTS = "a-1 a 0.0 0.5\na-2 a 0.5 1.25\nb-1 b 0.25 -1\n"
SPANS = {"a-1": (0, 4_000), "a-2": (4_000, 6_000), "b-1": (2_000, 14_000)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name in "ab":
        waveform = random.uniform(-0.5, 0.5, 2 * RATE).astype(np.float32)
        write_waveform(folder / f"{name}.wav", waveform, RATE)
    (folder / "wav.scp").write_text(f"a {folder}/a.wav\nb {folder}/b.wav\n")
    (folder / "segments").write_text(SEGMENTS)
    (folder / "utt2spk").write_text("a-1 s\na-2 s\nb-1 t\n")
    return folder


def test_a_data_directory_has_the_utterances_of_its_segments(data: Path) -> None:
    rows = {row.id: row for row in read_data_dir(data)}
    assert {key: (row.start, row.num_samples) for key, row in rows.items()} == SPANS
    assert rows["b-1"].speaker == "t" and rows["b-1"].path == data / "b.wav"


def test_crops_lie_within_their_segment(data: Path) -> None:
    rows = read_data_dir(data)
    config = CropsConfig(seconds=0.6, min_gain_db=0, max_gain_db=0)
    crops = Crops(rows, config, RATE, seed=0)
    for index in range(20):
        crop = crops(0, index)
        row = next(row for row in rows if row.id == crop.utterance_id)
        whole = read_waveform(row.path)[0, row.start : row.start + row.num_samples]
        cut = np.trim_zeros(crop.waveform, "b")
        windows = np.lib.stride_tricks.sliding_window_view(whole, len(cut))
        assert (windows == cut).all(axis=1).any()


def test_pairs_are_scored_over_their_segments(data: Path, tmp_path: Path) -> None:
    for key, (start, count) in SPANS.items():
        waveform = read_waveform(data / f"{key[0]}.wav", start=start, num_samples=count)
        write_waveform(tmp_path / f"out/{key}.wav", waveform, RATE)
    pairs = pair_files(data, tmp_path / "out")
    rows = [score_pair(pair, {}) for pair in pairs]
    assert {row["id"]: row["seconds"] * RATE for row in rows} == {
        k: n for k, (_, n) in SPANS.items()
    }
    assert all(row["length_difference"] == 0 and not row["reason"] for row in rows)
    assert [row["speaker"] for row in rows] == ["s", "s", "t"]


def test_a_repaired_copy_keeps_the_segments(data: Path, tmp_path: Path) -> None:
    (data / "segments").write_text(SEGMENTS + "c a 1.9 9\nd ghost 0 1\ne a 1\nf a 1 0.5\n")
    (data / "utt2spk").write_text("a-1 s\na-2 s\nb-1 t\nc s\n")
    assert main(["data", "validate", str(data), "--jobs", "1"]) == 1
    assert (
        main(["data", "validate", str(data), "--fix", str(tmp_path / "fixed"), "--jobs", "1"]) == 0
    )
    fixed = read_data_dir(tmp_path / "fixed/data")
    assert {row.id: (row.start, row.num_samples) for row in fixed} == SPANS
    assert main(["data", "validate", str(tmp_path / "fixed/data"), "--jobs", "1"]) == 0


def test_a_list_named_wav_scp_means_the_segments_beside_it(data: Path) -> None:
    assert read_entries(data / "wav.scp")["b-1"].span == Span(0.25, None)


def test_missing_tables_are_made_from_the_list(data: Path, tmp_path: Path, capsys) -> None:
    for name in ("segments", "utt2spk"):
        (data / name).unlink()
    (data / "utt2dur").write_text("a 2.0\nb 2.0\n")
    assert main(["data", "validate", str(data), "--json", "--jobs", "1"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [finding["id"] for finding in findings] == ["utt2num_samples", "utt2spk"]
    assert (
        main(["data", "validate", str(data), "--fix", str(tmp_path / "fixed"), "--jobs", "1"]) == 0
    )
    assert [(row.speaker, row.num_samples) for row in read_data_dir(tmp_path / "fixed/data")] == [
        ("a", 2 * RATE),
        ("b", 2 * RATE),
    ]


def test_commands_are_run_only_when_asked_for(data: Path, tmp_path: Path, capsys) -> None:
    (data / "segments").unlink()
    trace = tmp_path / "trace"
    (data / "wav.scp").write_text(f"a cat {data}/a.wav; touch {trace} |\nb false |\n")
    (data / "utt2spk").write_text("a s\nb t\n")
    words = ["data", "validate", str(data), "--jobs", "1"]
    assert main(words) == 1 and not trace.exists()
    assert "is a command, which is not run" in capsys.readouterr().out
    assert main([*words, "--run-commands"]) == 2 and not trace.exists()
    assert main([*words, "--run-commands", "--fix", str(tmp_path / "fixed")]) == 0
    assert trace.exists() and "'false' failed with exit code 1" in capsys.readouterr().out
    (row,) = read_data_dir(tmp_path / "fixed/data")
    assert row.path == tmp_path / "fixed/data/audio/a.wav" and row.num_samples == 2 * RATE
    assert row.path.read_bytes() == (data / "a.wav").read_bytes()
