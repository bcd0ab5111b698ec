"""recipes/launch/processes.sh: one command as several processes that live and die together."""

import signal
import subprocess
import time
from pathlib import Path

import pytest

PROCESSES = Path(__file__).parents[2] / "recipes" / "launch" / "processes.sh"


def start(folder: Path, count: int, script: str, grace: int = 60) -> "subprocess.Popen[bytes]":
    command = [str(PROCESSES), str(count), "bash", "-c", script]
    return subprocess.Popen(
        command, cwd=folder, env={"PATH": "/usr/bin:/bin", "GRACE_SECONDS": str(grace)}
    )


def wait_for(*paths: Path) -> None:
    deadline = time.monotonic() + 20
    while not all(path.exists() for path in paths) and time.monotonic() < deadline:
        time.sleep(0.02)


def test_each_process_has_its_rank_and_the_same_port(tmp_path):
    script = 'echo "$WORLD_SIZE $MASTER_ADDR:$MASTER_PORT $LOCAL_RANK" >rank$RANK'
    assert start(tmp_path, 3, script).wait(20) == 0
    lines = [(tmp_path / f"rank{rank}").read_text().split() for rank in range(3)]
    assert [line[0] for line in lines] == ["3"] * 3
    assert [line[2] for line in lines] == ["0", "1", "2"]
    assert len({line[1] for line in lines}) == 1


@pytest.mark.parametrize("count", [0, 1])
def test_a_single_process_is_the_command_itself(tmp_path, count):
    assert start(tmp_path, count, 'echo "${RANK-none}" >rank; exit 4').wait(20) == 4
    assert (tmp_path / "rank").read_text() == "none\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_reaches_all_and_their_exit_code_comes_back(tmp_path, number):
    script = """trap 'touch saved$RANK; exit 75' USR1 TERM; touch ready$RANK
        while :; do sleep 0.05; done"""
    running = start(tmp_path, 2, script)
    wait_for(tmp_path / "ready0", tmp_path / "ready1")
    running.send_signal(number)
    assert running.wait(20) == 75
    assert (tmp_path / "saved0").exists() and (tmp_path / "saved1").exists()


def test_one_that_fails_takes_the_others_along_even_if_they_hear_nothing(tmp_path):
    script = """touch ready$RANK
        if [[ $RANK == 1 ]]; then until [[ -e ready0 ]]; do sleep 0.02; done; exit 3; fi
        trap '' TERM; sleep 30 & echo $! >sleeper; wait"""
    running = start(tmp_path, 2, script, grace=1)
    assert running.wait(15) == 3
    subprocess.run(["kill", (tmp_path / "sleeper").read_text().strip()], check=False)
