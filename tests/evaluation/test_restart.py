"""Runs that are killed or stopped: what is done stays done, and the end is the same."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import soundfile

PAIRS = 24


@pytest.fixture
def sides(tmp_path: Path, speech: np.ndarray) -> list[str]:
    random = np.random.default_rng(0)
    for number in range(PAIRS):
        noise = 0.01 * random.standard_normal(len(speech))
        for side, signal_ in (("ref", speech), ("deg", speech + noise)):
            path = tmp_path / side / f"speaker_{number % 5}" / f"{number}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, signal_, 24_000)
    return ["--reference", str(tmp_path / "ref"), "--degraded", str(tmp_path / "deg")]


def start(sides: list[str], output: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "audiocodec", "evaluate", *sides, "--output", str(output)]
    options = ["--metrics", "pesq_wb,stoi", "--jobs", "2", "--no-report"]
    with open(output.with_suffix(".log"), "ab") as log:
        return subprocess.Popen([*command, *options], stdout=log, stderr=log)


def rows_on_disk(output: Path) -> list[str]:
    journal = output / "scores.jsonl"
    lines = journal.read_text().split("\n") if journal.exists() else []
    return [line for line in lines if line.endswith("}}")]


def stop_in_the_middle(process: subprocess.Popen[bytes], output: Path, number: int) -> list[int]:
    """Signal it after five rows; returns the processes that worked for it."""
    while len(rows_on_disk(output)) < 5:
        assert process.poll() is None, output.with_suffix(".log").read_text()
        time.sleep(0.002)
    workers = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    os.kill(process.pid, number)
    process.wait(60)
    return workers


def assert_ended(pids: list[int]) -> None:
    assert pids
    deadline = time.monotonic() + 30
    while running := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < deadline, f"{running} outlive the run"
        time.sleep(0.05)


def is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_killed_run_goes_on_and_ends_like_one_that_was_not(sides, tmp_path):
    assert start(sides, tmp_path / "whole").wait(300) == 0
    workers = stop_in_the_middle(start(sides, tmp_path / "out"), tmp_path / "out", signal.SIGKILL)
    kept = rows_on_disk(tmp_path / "out")
    assert 5 <= len(kept) < PAIRS and not (tmp_path / "out/utterances.csv").exists()
    assert_ended(workers)
    assert start(sides, tmp_path / "out").wait(300) == 0
    rows = rows_on_disk(tmp_path / "out")
    assert rows[: len(kept)] == kept and len(rows) == PAIRS  # none was scored twice
    csv = "utterances.csv"
    assert (tmp_path / "out" / csv).read_bytes() == (tmp_path / "whole" / csv).read_bytes()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_keeps_its_rows_and_leaves_nothing_behind(number, code, sides, tmp_path):
    process = start(sides, tmp_path / "out")
    workers = stop_in_the_middle(process, tmp_path / "out", number)
    assert process.returncode == code
    assert "Traceback" not in (tmp_path / "out.log").read_text()
    assert_ended(workers)
    assert 5 <= len(rows_on_disk(tmp_path / "out")) < PAIRS
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"scores.jsonl", "scores.lock"}
