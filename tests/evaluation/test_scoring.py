import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from audiocodec.cli.main import main
from audiocodec.evaluation import scoring
from audiocodec.evaluation.metrics import METRICS, Metric, MetricFailure
from audiocodec.evaluation.pairs import PairOfFiles, pair_files
from audiocodec.evaluation.scoring import score_pairs

RATE = 24_000


@pytest.fixture
def folders(tmp_path: Path, speech: np.ndarray) -> tuple[Path, Path]:
    """Reference and degraded files: good ones, and one of each kind of trouble."""
    reference, degraded = tmp_path / "reference", tmp_path / "degraded"
    reference.mkdir()
    degraded.mkdir()
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(speech))

    def write(name: str, ref: np.ndarray, deg: np.ndarray | None, rate: int = RATE) -> None:
        soundfile.write(reference / f"{name}.wav", ref, RATE, subtype="FLOAT")
        if deg is not None:
            soundfile.write(degraded / f"{name}.wav", deg, rate, subtype="FLOAT")

    for name in ("good_1", "good_2", "naïve ñandú"):
        write(name, speech, speech + noise)
    write("missing", speech, None)
    write("empty", speech, speech[:0])
    write("silent_reference", 0 * speech, speech)
    write("silent_degraded", speech, 0 * speech)
    write("short", speech[: RATE // 20], speech[: RATE // 20])
    write("nan", speech, np.where(np.arange(len(speech)) == 100, np.nan, speech))
    write("inf", speech, np.where(np.arange(len(speech)) == 100, np.inf, speech))
    write("half_rate", speech, (speech + noise)[::2], RATE // 2)
    write("cut", speech, (speech + noise)[: -int(0.03 * RATE)])
    write("stereo", speech, np.stack([speech + noise, speech + noise], 1))
    write("duplicate", speech, speech)
    soundfile.write(degraded / "duplicate.flac", speech, RATE)
    write("corrupt", speech, None)
    (degraded / "corrupt.wav").write_bytes(b"not audio at all")
    return reference, degraded


def test_every_trouble_has_a_named_reason_and_means_are_over_the_rest(folders, tmp_path, capsys):
    reference, degraded = folders
    options = ["--reference", str(reference), "--degraded", str(degraded), "--jobs", "1"]
    code = main(["evaluate", *options, "--output", str(tmp_path / "out"), "--metrics", "stoi"])
    assert code == 3
    table = pd.read_csv(tmp_path / "out/utterances.csv", keep_default_na=False).set_index("id")
    reasons = {
        "missing": "no degraded file",
        "empty": "samples",
        "silent_reference": "reference is silent",
        "silent_degraded": "degraded is silent",
        "short": "shorter",
        "nan": "NaN",
        "inf": "infinite",
        "duplicate": "duplicate id",
        "corrupt": "not readable",
    }
    for identifier, reason in reasons.items():
        assert reason in table.loc[identifier, "reason"], identifier
        assert table.loc[identifier, "stoi"] == ""
    scored = table[table["reason"] == ""]
    assert set(scored.index) == {"good_1", "good_2", "naïve ñandú", "half_rate", "cut", "stereo"}
    assert "12000 Hz" in table.loc["half_rate", "flags"]
    assert "length differs" in table.loc["cut", "flags"]
    assert "channels" in table.loc["stereo", "flags"]
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    stoi = summary["metrics"]["stoi"]
    assert (stoi["n_ok"], stoi["n_failed"]) == (6, 9)
    assert stoi["mean"] == pytest.approx(scored["stoi"].astype(float).mean(), abs=1e-5)
    assert "9 of 15" in capsys.readouterr().err


def test_processes_and_order_do_not_change_the_rows(folders, tmp_path):
    pairs = pair_files(*folders)
    alone = score_pairs(pairs, ["stoi", "si_sdr"], tmp_path / "one.jsonl", jobs=1)
    many = score_pairs(pairs[::-1], ["stoi", "si_sdr"], tmp_path / "two.jsonl", jobs=2)
    assert alone == many[::-1]


def test_finished_rows_are_not_scored_again(folders, tmp_path, monkeypatch):
    pairs, journal = pair_files(*folders), tmp_path / "journal.jsonl"
    rows = score_pairs(pairs, ["si_sdr"], journal, jobs=1)
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:5]) + lines[5][:20])  # killed while writing the sixth row
    scored = []
    original = scoring.score_pair
    monkeypatch.setattr(
        scoring,
        "score_pair",
        lambda pair, metrics: (scored.append(pair.id), original(pair, metrics))[1],
    )
    assert score_pairs(pairs, ["si_sdr"], journal, jobs=1) == rows
    assert len(scored) == len(pairs) - 5


def test_a_changed_file_is_scored_again(folders, tmp_path):
    journal = tmp_path / "journal.jsonl"
    pair = PairOfFiles("x", folders[0] / "good_1.wav", folders[1] / "good_1.wav", "s")
    score_pairs([pair], ["si_sdr"], journal, jobs=1)
    soundfile.write(pair.degraded, soundfile.read(pair.reference)[0], RATE, subtype="FLOAT")
    assert score_pairs([pair], ["si_sdr"], journal, jobs=1)[0]["si_sdr"] > 99.9


def crash(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """A metric that kills its process when the signals are identical."""
    if np.array_equal(reference, degraded):
        os._exit(1)
    raise MetricFailure("survived")


def test_a_crashed_process_costs_one_row(tmp_path, speech, monkeypatch):
    monkeypatch.setitem(METRICS, "crash", Metric(crash, 0))
    monkeypatch.setattr(
        scoring, "get_context", lambda _: __import__("multiprocessing").get_context("fork")
    )
    for name, signal in (("same", speech), ("other", 0.5 * speech)):
        soundfile.write(tmp_path / f"{name}.wav", signal, RATE, subtype="FLOAT")
    same, other = tmp_path / "same.wav", tmp_path / "other.wav"
    pairs = [PairOfFiles("a", same, other, "s"), PairOfFiles("b", same, same, "s")]
    rows = score_pairs([*pairs, PairOfFiles("c", other, same, "s")], ["crash"], tmp_path / "j", 2)
    assert [row["reason"] for row in rows] == [
        "crash: survived",
        "the scoring process crashed",
        "crash: survived",
    ]
