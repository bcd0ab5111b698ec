import json
import unicodedata
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import troubles

from audiocodec.audio import resample
from audiocodec.cli.main import main
from audiocodec.errors import CodecError, DataError
from audiocodec.evaluation.metrics import Metric, select
from audiocodec.evaluation.pairs import PairOfFiles, pair_files
from audiocodec.evaluation.pool import map_unordered
from audiocodec.evaluation.results import read_utterances
from audiocodec.evaluation.scoring import Scoring, score_pair, score_pairs
from audiocodec.evaluation.signals import is_narrowband
from audiocodec.journal import Journal

RATE = 24_000
GOOD = 17


@pytest.fixture
def folders(tmp_path: Path, speech: np.ndarray) -> tuple[Path, Path]:
    """30 pairs: 17 good ones and one of each of 13 troubles."""
    reference, degraded = tmp_path / "reference", tmp_path / "degraded"
    reference.mkdir()
    degraded.mkdir()
    noise = 0.01 * np.random.default_rng(0).standard_normal(len(speech))
    broken = np.where(np.arange(len(speech)) == 100, np.nan, speech)

    def write(name: str, ref: np.ndarray, deg: np.ndarray | None, rate: int = RATE) -> None:
        soundfile.write(reference / f"{name}.wav", ref, RATE, subtype="FLOAT")
        if deg is not None:
            deg_name = unicodedata.normalize("NFD", name)  # as some file systems store it
            soundfile.write(degraded / f"{deg_name}.wav", deg, rate, subtype="FLOAT")

    for number in range(GOOD):
        write(f"good_{number:02}", speech, speech + noise * (1 + number))
    write("missing", speech, None)
    write("empty", speech, speech[:0])
    write("corrupt", speech, None)
    (degraded / "corrupt.wav").write_bytes(b"not audio at all")
    write("silent_reference", 0 * speech, speech)
    write("silent_degraded", speech, 0 * speech)
    write("50_ms", speech[: RATE // 20], speech[: RATE // 20])
    write("nan", speech, broken)
    write("inf", speech, np.where(np.isnan(broken), np.inf, broken))
    write("half_rate", speech, (speech + noise)[::2], RATE // 2)
    write("30_ms_shorter", speech, (speech + noise)[: -int(0.03 * RATE)])
    write("stereo", speech, np.stack([speech + noise, speech + noise], 1))
    write("duplicate", speech, speech)
    soundfile.write(degraded / "duplicate.flac", speech, RATE)
    write("naïve ñandú", speech, speech + noise)
    return reference, degraded


REASONS = {
    "missing": "no degraded file",
    "empty": "has no samples",
    "corrupt": "not readable as audio",
    "silent_reference": "reference is silent (stoi, si_sdr)",
    "silent_degraded": "degraded is silent (stoi, si_sdr)",
    "50_ms": "shorter than 0.5 s (stoi); shorter than 0.1 s (si_sdr)",
    "nan": "NaN or infinite sample at 100",
    "inf": "NaN or infinite sample at 100",
    "duplicate": "duplicate id in the degraded",
}
FLAGS = {
    "half_rate": "degraded at 12000 Hz, resampled",
    "30_ms_shorter": "length differs",
    "stereo": "channels averaged",
    "naïve ñandú": "ids differ in their Unicode form",
}


def test_every_trouble_has_a_name_and_means_are_over_the_rest(folders, tmp_path, capsys):
    sides = ["--reference", str(folders[0]), "--degraded", str(folders[1])]
    options = [
        "--output",
        str(tmp_path / "out"),
        "--metrics",
        "stoi,si_sdr",
        "--jobs",
        "2",
        "--no-report",
    ]
    assert main(["evaluate", *sides, *options]) == 3
    table = read_utterances(tmp_path / "out")
    assert len(table) == 30 and len(REASONS) + len(FLAGS) == 13
    for identifier, reason in REASONS.items():
        assert reason in table.loc[identifier, "reason"], identifier
        assert table.loc[identifier, ["stoi", "si_sdr"]].isna().all()
    for identifier, flag in FLAGS.items():
        assert table.loc[identifier, "flags"] == flag
    scored = table[table["reason"] == ""]
    assert set(scored.index) == {f"good_{n:02}" for n in range(GOOD)} | FLAGS.keys()
    assert (scored.drop(index=FLAGS)["flags"] == "").all()
    summary = json.loads((tmp_path / "out/summary.json").read_text())
    for name in ("stoi", "si_sdr"):
        values = summary["metrics"][name]
        assert (values["n_ok"], values["n_failed"]) == (21, 9)
        assert values["mean"] == pytest.approx(scored[name].mean(), rel=1e-5)
    assert (summary["n_failed"], summary["n_flagged"]) == (9, 4)
    errors = capsys.readouterr().err
    assert all(f"codec: {identifier}: " in errors for identifier in REASONS)
    assert "9 of 30 utterances could not be scored" in errors
    parquet = pd.read_parquet(tmp_path / "out/utterances.parquet").set_index("id")
    assert np.allclose(parquet["stoi"], table["stoi"], rtol=1e-5, equal_nan=True)


def test_the_table_is_the_same_from_one_process_or_four(folders, tmp_path):
    tables = []
    for jobs in ("1", "4"):
        sides = ["--reference", str(folders[0]), "--degraded", str(folders[1])]
        options = ["--metrics", "stoi,estoi,si_sdr", "--jobs", jobs, "--no-report"]
        main(["evaluate", *sides, *options, "--output", str(tmp_path / jobs)])
        tables.append((tmp_path / jobs / "utterances.csv").read_bytes())
    assert tables[0] == tables[1]


def test_the_order_of_pairs_does_not_change_their_rows(folders, tmp_path):
    pairs, scoring = pair_files(*folders), Scoring(select(["si_sdr"])[0])
    forwards = score_pairs(pairs, scoring, tmp_path / "one.jsonl")
    backwards = score_pairs(pairs[::-1], scoring, tmp_path / "two.jsonl")
    assert forwards == backwards[::-1]


def test_finished_rows_are_not_scored_again_and_a_torn_line_is(folders, tmp_path):
    pairs, journal = pair_files(*folders), tmp_path / "scores.jsonl"
    scoring = Scoring(select(["si_sdr"])[0])
    rows = score_pairs(pairs, scoring, journal)
    lines = journal.read_text().splitlines(keepends=True)
    kept = "".join(lines[:5])
    journal.write_text(kept + lines[5][:20])  # killed while it wrote the sixth row
    assert score_pairs(pairs, scoring, journal) == rows
    again = journal.read_text()
    assert again.startswith(kept)
    assert len([line for line in again.splitlines()[5:] if line.endswith("}")]) == 25


def test_what_changes_a_score_is_scored_again(folders, tmp_path, monkeypatch):
    journal = tmp_path / "scores.jsonl"
    pair = PairOfFiles("x", folders[0] / "good_01.wav", folders[1] / "good_01.wav", "s")
    scoring = Scoring(select(["si_sdr"])[0], settings={"pesq": "0.0.4"})

    def lines() -> int:
        return len([line for line in journal.read_text().splitlines() if line])

    noisy = score_pairs([pair], scoring, journal)[0]["si_sdr"]
    score_pairs([pair], scoring, journal)
    assert lines() == 1
    soundfile.write(pair.degraded, soundfile.read(pair.reference)[0], RATE, subtype="FLOAT")
    assert score_pairs([pair], scoring, journal)[0]["si_sdr"] > 99.9 > noisy
    score_pairs([pair], Scoring(scoring.metrics, settings={"pesq": "0.0.5"}), journal)
    score_pairs([pair], Scoring(select(["si_sdr", "snr"])[0], settings=scoring.settings), journal)
    assert lines() == 4


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        (troubles.crash, "crashed its process (exit code 3)"),
        (troubles.hang, "took longer than 2 s"),
    ],
)
def test_a_process_that_crashes_or_hangs_costs_one_row(metric, reason, tmp_path, speech):
    for name, gain in (("same", 1), ("other", 0.5)):
        soundfile.write(tmp_path / f"{name}.wav", gain * speech[:RATE], RATE, subtype="FLOAT")
    same, other = tmp_path / "same.wav", tmp_path / "other.wav"
    pairs = [PairOfFiles(str(n), same, same if n == 2 else other, "s") for n in range(6)]
    scoring = Scoring({"trouble": Metric(metric, 0)}, jobs=2, timeout=2)
    rows = score_pairs(pairs, scoring, tmp_path / "scores.jsonl")
    assert [row["reason"] for row in rows] == ["", "", reason, "", "", ""]
    assert [row.get("trouble") for row in rows] == [1.0, 1.0, None, 1.0, 1.0, 1.0]
    assert rows == score_pairs(pairs, scoring, tmp_path / "scores.jsonl")


@pytest.mark.slow  # a process that dies with a lock is noticed after a minute
def test_a_process_that_is_killed_from_outside_is_replaced():
    results = dict(map_unordered(troubles.kill_another, range(8), 2, 60, preload="troubles"))
    assert set(results) == set(range(8))
    assert sum(isinstance(result, Exception) for result in results.values()) <= 1


def test_what_no_item_can_do_stops_the_run_at_once():
    with pytest.raises(CodecError, match="no use"):
        list(map_unordered(troubles.useless, range(8), 2, 60, preload="troubles"))


def test_two_runs_do_not_write_one_journal(tmp_path):
    with (
        Journal(tmp_path / "scores.jsonl"),
        pytest.raises(DataError, match="another process"),
        Journal(tmp_path / "scores.jsonl"),
    ):
        pass


def test_ids_that_look_like_numbers_or_nothing_stay_text(tmp_path, speech):
    for side in ("ref", "deg"):
        (tmp_path / side).mkdir()
        for name in ("nan", "007", 'say "a", b'):
            soundfile.write(tmp_path / side / f"{name}.wav", speech[:RATE], RATE)
    sides = ["--reference", str(tmp_path / "ref"), "--degraded", str(tmp_path / "deg")]
    options = ["--output", str(tmp_path / "out"), "--metrics", "snr", "--no-report"]
    assert main(["evaluate", *sides, *options]) == 0
    assert list(read_utterances(tmp_path / "out").index) == ["007", "nan", 'say "a", b']


def test_a_reference_of_a_narrow_band_is_flagged_beside_wideband_pesq(speech, tmp_path):
    narrow = resample(resample(speech, RATE, 8_000), 8_000, RATE)
    quantized = np.round(narrow * 32768) / 32768
    assert is_narrowband(quantized, RATE) and is_narrowband(speech, 8_000)
    assert not is_narrowband(speech, RATE) and not is_narrowband(0 * speech, RATE)
    path = tmp_path / "x.wav"
    for name, flagged in (("pesq_wb", True), ("pesq_nb", False)):
        soundfile.write(path, narrow, RATE)
        row = score_pair(PairOfFiles("x", path, path, "s"), select([name])[0])
        assert ("nothing above 4 kHz" in row["flags"]) == flagged
