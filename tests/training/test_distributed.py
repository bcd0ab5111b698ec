"""Two processes: the same run as one with twice the batch, killed and resumed to the bit."""

import math
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from audiocodec.data.shard_audio import shard_data_dir
from tests.training.helpers import TINY, assert_same, log_lines, saved_weights

pytestmark = pytest.mark.slow

# With its own --cpu, accelerate launch starts one process only, whatever --num_processes says
# (version 1.15); `codec train --device cpu` in each of two makes them speak gloo.
LAUNCH = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
PROCESSES = Path(__file__).parents[2] / "recipes" / "launch" / "processes.sh"
TIMES = ("time", "audio_seconds_per_second")


@pytest.fixture
def command(tmp_path, data_dir):
    """The command line of a tiny training in `tmp_path`, without its launcher."""

    def make(name: str, data: Path = data_dir, jobs: int = 0, **options: object) -> list[str]:
        config = tmp_path / f"{name}.yaml"
        config.write_text(yaml.safe_dump(TINY | options))
        folders = ["--train-data", str(data), "--valid-data", str(data), "--jobs", str(jobs)]
        output = ["--output", str(tmp_path / name), "--device", "cpu", "--threads", "1"]
        return ["-m", "audiocodec", "train", "--config", str(config), *folders, *output]

    return make


def start(arguments: list[str]) -> "subprocess.Popen[bytes]":
    port = str(20_000 + os.getpid() % 10_000)
    if arguments[0] == "-m":
        arguments = [sys.executable, *arguments]
    return subprocess.Popen(
        arguments, start_new_session=True, env=os.environ | {"MASTER_PORT": port}
    )


def under_accelerate(arguments: list[str]) -> list[str]:
    port = str(20_000 + os.getpid() % 10_000)
    return [*LAUNCH, "--main_process_port", port, *arguments]


def wait_for_step(experiment: Path, step: int) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if (experiment / "log.jsonl").exists() and len(log_lines(experiment)) >= step:
            return
        time.sleep(0.01)
    raise AssertionError(f"step {step} was not reached")


def test_two_processes_are_one_with_twice_the_batch(command, tmp_path):
    one = start(command("one", steps=20, batch_size=4))
    two = start(under_accelerate(command("two", steps=20, batch_size=2)))
    assert (one.wait(300), two.wait(300)) == (0, 0)
    curves = [log_lines(tmp_path / name) for name in ("one", "two")]
    assert len(curves[0]) == len(curves[1]) == 22  # validated twice
    for line, wanted in zip(*curves, strict=True):
        for name in wanted.keys() - set(TIMES):
            assert math.isclose(line[name], wanted[name], rel_tol=1e-3, abs_tol=1e-4), (name, line)


def test_two_processes_killed_and_restarted_are_uninterrupted(command, tmp_path):
    whole = start(under_accelerate(command("whole")))
    assert whole.wait(300) == 0
    running = start(under_accelerate(command("parts")))
    wait_for_step(tmp_path / "parts", random.SystemRandom().randrange(1, 11))
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(60)
    assert start(under_accelerate(command("parts"))).wait(300) == 0
    assert_same(saved_weights(tmp_path / "parts"), saved_weights(tmp_path / "whole"))


def test_two_processes_killed_and_restarted_on_shards_are_uninterrupted_on_the_data_directory(
    command, tmp_path, data_dir
):
    shard_data_dir(data_dir, tmp_path / "shards", "tar", 5)
    assert start(under_accelerate(command("whole"))).wait(600) == 0
    for jobs in (0, 2):
        words = under_accelerate(command(f"parts{jobs}", tmp_path / "shards", jobs))
        running = start(words)
        wait_for_step(tmp_path / f"parts{jobs}", random.SystemRandom().randrange(1, 11))
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(60)
        assert start(words).wait(600) == 0
        assert_same(saved_weights(tmp_path / f"parts{jobs}"), saved_weights(tmp_path / "whole"))


def test_a_signal_stops_all_processes_with_code_75(command, tmp_path):
    arguments = [str(PROCESSES), "2", sys.executable, *command("exp", steps=10_000)]
    running = start(arguments)
    wait_for_step(tmp_path / "exp", 3)
    running.send_signal(signal.SIGUSR1)
    assert running.wait(60) == 75
    assert saved_weights(tmp_path / "exp")


def test_a_bad_crop_of_one_process_is_skipped_by_both_and_named(data_dir, tmp_path):
    script = Path(__file__).parent / "spoiled_run.py"
    command = [str(PROCESSES), "2", sys.executable, str(script), str(data_dir), str(tmp_path)]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert done.returncode == 0, done.stderr
    spoiled = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("spoiled")]
    for step, name in zip((3, 9), spoiled, strict=True):
        assert f"step {step} skipped: mel is not finite; utterances {name}\n" in done.stdout
