"""Commands that are stopped: killed, terminated, interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import AudioInfo
from audiocodec.audio_blocks import write_blocks
from tests.cli.helpers import tree, write_audio


@pytest.mark.slow
def test_killed_at_fifty_instants_no_file_is_partial(tmp_path: Path, tiny_model_dir: Path) -> None:
    for index in range(40):
        write_audio(tmp_path / "in" / f"{index}.wav", 100_000 + 1_000 * index)
    command = [sys.executable, "-m", "tests.cli.killing", tmp_path / "in", tiny_model_dir]
    output = subprocess.run(
        [*command, tmp_path / "work", "50"], capture_output=True, text=True, check=True
    ).stdout
    counts = [int(word) for word in output.split()]
    assert len(counts) == 50
    assert sum(0 < count < 40 for count in counts) > 10  # they were killed in the middle


@pytest.mark.slow
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_command_leaves_soon_and_no_trace(
    stop: signal.Signals, tmp_path: Path, tiny_model_dir: Path
) -> None:
    minute = np.zeros((1, 60 * 24_000), np.float32)
    for name in ("a", "b"):  # two long files: both workers are busy for minutes
        info = AudioInfo(24_000, 90 * minute.size, 1)
        (tmp_path / "in").mkdir(exist_ok=True)
        write_blocks(tmp_path / "in" / f"{name}.flac", (minute for _ in range(90)), info)
    command = ["-m", "audiocodec", "encode", tmp_path / "in", tmp_path / "out"]
    process = subprocess.Popen([sys.executable, *command, "--model", tiny_model_dir])
    while not _has_threads(process.pid, 5):
        time.sleep(0.05)
        assert process.poll() is None
    time.sleep(0.5)
    process.send_signal(stop)
    assert process.wait(30) in (130, 143)  # long before its work would be done
    assert not (tmp_path / "out").exists() or not tree(tmp_path / "out")


def _has_threads(process: int, count: int) -> bool:
    return len(os.listdir(f"/proc/{process}/task")) >= count
