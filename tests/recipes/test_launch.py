"""recipes/launch: one interface, the command's exit code, Slurm jobs that go on after a stop."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.helpers import tree
from tests.fabricator import fabricate

LAUNCH = Path(__file__).parents[2] / "recipes" / "launch"
# A queue of one job or array of jobs: `squeue` lists it while it lives, `scontrol requeue` has it
# run once more.
TOOLS = {
    "sbatch": """for script; do :; done
        echo "$@" >>"$QUEUE/calls"; cp "$script" "$QUEUE/script"; touch "$QUEUE/live"
        tasks=(""); if [[ $* =~ --array=([0-9]+)-([0-9]+) ]]; then
          tasks=($(seq "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}")); fi
        job() {
          for task in "${tasks[@]}"; do
            SLURM_JOB_ID=7 SLURM_ARRAY_TASK_ID=$task setsid bash "$QUEUE/script" &
            echo $! >"$QUEUE/pid"; wait $!
            if [[ -e $QUEUE/again ]]; then rm "$QUEUE/again"; job; fi
          done
          rm -f "$QUEUE/live"
        }
        job >>"$QUEUE/output" 2>&1 & echo '7;cluster'""",
    "squeue": """[[ ! -e $QUEUE/live ]] || echo 7""",
    "scontrol": """echo "$@" >>"$QUEUE/calls"; touch "$QUEUE/again" """,
}


@pytest.fixture
def environment(tmp_path):
    for name, text in TOOLS.items():
        tool = tmp_path / "bin" / name
        tool.parent.mkdir(exist_ok=True)
        tool.write_text(f"#!/usr/bin/env bash\n{text}\n")
        tool.chmod(0o755)
    (tmp_path / "queue").mkdir()
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    return os.environ | {"PATH": path, "QUEUE": str(tmp_path / "queue"), "SLURM_POLL": "0.1"}


def launch(how, environment, tmp_path, *words) -> "subprocess.CompletedProcess[str]":
    command = [str(LAUNCH / how), *words]
    return subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("how", ["local.sh", "slurm.sh"])
@pytest.mark.parametrize("code", [0, 3])
def test_every_launcher_runs_the_words_as_they_are_and_returns_the_exit_code(
    environment, tmp_path, how, code
):
    script = f'printf "[%s]" "$@" >words; exit {code}'
    words = ["a b", "$(touch hacked)", "ü'"]
    options = ["--gpus", "1", "--memory", "2G"]
    command = ["bash", "-c", script, "bash", *words]
    done = launch(how, environment, tmp_path, *options, "logs of/it.log", *command)
    assert done.returncode == code, done.stderr
    assert (tmp_path / "words").read_text() == "".join(f"[{word}]" for word in words)
    assert not (tmp_path / "hacked").exists()


def test_the_local_log_has_the_command_and_what_it_said(environment, tmp_path):
    for word in ("one", "two"):
        launch("local.sh", environment, tmp_path, "log", "echo", word)
    log = (tmp_path / "log").read_text()
    assert [line for line in log.splitlines() if not line.startswith("#")] == ["one", "two"]
    assert "echo two" in log


def test_the_slurm_job_asks_for_what_was_wanted(environment, tmp_path):
    options = ["--gpus", "2", "--time", "1:00:00", "--cpus", "5"]
    launch("slurm.sh", environment, tmp_path, *options, "log", "true")
    script = (tmp_path / "queue" / "script").read_text()
    wanted = ("--gpus-per-node=2", "--time=1:00:00", "--cpus-per-task=5", "--requeue", "USR1")
    assert all(text in script for text in wanted)


def signalled(environment, tmp_path, number: int) -> int:
    """The launcher's exit code when the job of a command that saves itself gets a signal."""
    script = """if [[ -e saved ]]; then echo went on >>log2; exit 0; fi
        trap 'sleep 0.2; touch saved; exit 75' USR1 TERM
        touch ready; while :; do sleep 0.05; done"""
    command = [str(LAUNCH / "slurm.sh"), "log", "bash", "-c", script]
    running = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 20
    while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(int((tmp_path / "queue" / "pid").read_text()), number)
    return running.wait(timeout=20)


def test_a_training_near_its_time_limit_saves_itself_and_goes_on_in_the_queue(
    environment, tmp_path
):
    assert signalled(environment, tmp_path, signal.SIGUSR1) == 0
    assert (tmp_path / "log2").read_text() == "went on\n"
    calls = (tmp_path / "queue" / "calls").read_text()
    assert "requeue 7" in calls and calls.count("--parsable") == 1


def test_a_cancelled_job_saves_itself_and_does_not_come_back(environment, tmp_path):
    assert signalled(environment, tmp_path, signal.SIGTERM) == 1
    assert (tmp_path / "saved").exists() and not (tmp_path / "log2").exists()
    assert "requeue" not in (tmp_path / "queue" / "calls").read_text()


def test_a_job_that_vanished_is_an_error(environment, tmp_path):
    done = launch("slurm.sh", environment, tmp_path, "log", "bash", "-c", "kill -9 $PPID")
    assert done.returncode == 1
    assert "left no exit code" in done.stderr


def test_a_job_that_is_there_is_waited_for(environment, tmp_path):
    (tmp_path / "log.job").write_text("7\n")
    (tmp_path / "queue" / "live").touch()
    (tmp_path / "log.exit").write_text("4\n")
    done = launch("slurm.sh", environment, tmp_path, "log", "true")
    assert done.returncode == 4
    assert not (tmp_path / "queue" / "calls").exists()


RUNS = sorted(LAUNCH.parents[1].glob("egs/*/run.sh"))


@pytest.mark.parametrize("recipe", RUNS, ids=lambda path: path.parent.name)
def test_every_launcher_that_a_recipe_uses_is_set_in_its_cmd_sh(recipe):
    used = set(re.findall(r"\$(\w+_cmd)\b", recipe.read_text()))
    script = "set -u; source cmd.sh; for name; do [[ -x ${!name} ]] || exit 1; done"
    subprocess.run(["bash", "-c", script, "bash", *used], cwd=recipe.parent, check=True)
    assert used


BOTH = pytest.mark.parametrize("how", ["local.sh", "slurm.sh"])
ARRAY = 'echo "[$1]" >"words.$1"; echo "said $1"; exit $((10#${2:$1:1}))'


@BOTH
@pytest.mark.parametrize(
    ("codes", "expected"), [("0000", 0), ("0030", 3), ("0351", 5)], ids=["done", "some", "worse"]
)
def test_an_array_runs_every_job_and_returns_the_worst_of_their_codes(
    environment, tmp_path, how, codes, expected
):
    command = ["bash", "-c", ARRAY, "bash", "JOB", f"0{codes}"]
    done = launch(how, environment, tmp_path, "JOB=1:4", "--cpus", "1", "l/x.JOB.log", *command)
    assert done.returncode == expected, done.stderr
    assert [(tmp_path / f"words.{job}").read_text() for job in range(1, 5)] == [
        f"[{job}]\n" for job in range(1, 5)
    ]
    failed = [job for job, code in enumerate(codes, 1) if code != "0"]
    assert [f"x.{job}.log" in done.stderr for job in range(1, 5)] == [
        job in failed for job in range(1, 5)
    ]
    if how == "local.sh":
        assert "said 2\n" in (tmp_path / "l" / "x.2.log").read_text()
    else:
        calls = (tmp_path / "queue" / "calls").read_text()
        assert "--array=1-4" in calls and f"--output {tmp_path}/l/x.%a.log" in calls


@BOTH
def test_an_array_that_is_none_is_refused(environment, tmp_path, how):
    for words, text in (
        (["JOB=4:1", "x.JOB.log", "true"], "no array"),
        (["JOB=1", "x.JOB.log", "true"], "no array"),
        (["JOB=1:2", "x.log", "true"], "put JOB into its name"),
        (["--color", "red", "x.log", "true"], "unknown option"),
    ):
        done = launch(how, environment, tmp_path, *words)
        assert done.returncode == 2 and text in done.stderr and done.stderr.count("\n") == 1


def test_jobs_of_an_array_that_vanished_are_named(environment, tmp_path):
    script = "[[ JOB != 2 ]] || kill -9 $PPID"
    done = launch("slurm.sh", environment, tmp_path, "JOB=1:3", "JOB.log", "bash", "-c", script)
    assert done.returncode == 1 and "left no exit code (of its jobs 2)" in done.stderr


@BOTH
@pytest.mark.slow
def test_the_jobs_of_an_array_encode_what_one_run_encodes(
    environment, tmp_path, tiny_model_dir, how
):
    bad = fabricate(tmp_path / "data", 30, bad_share=0.1)
    codec = [sys.executable, "-m", "audiocodec", "encode", "data"]
    options = ["--model", str(tiny_model_dir), "--format", "parquet", "--shard-size", "8"]
    settings = environment | {"PYTHONPATH": str(LAUNCH.parents[1])}
    whole = subprocess.run(
        [*codec, "out", *options, "--manifest", "whole.jsonl"], cwd=tmp_path, env=settings
    )
    shutil.move(tmp_path / "out", tmp_path / "whole")
    part = ["--manifest", "parts.jsonl", "--part", "JOB", "--of", "2"]
    words = ["JOB=1:2", "log/encode.JOB.log", *codec, "out", *options, *part]
    done = launch(how, settings, tmp_path, *words)
    assert done.returncode == whole.returncode == 3, done.stderr
    manifests = [(tmp_path / f"{name}.jsonl").read_text() for name in ("whole", "parts")]
    assert manifests[0] == manifests[1] and manifests[0].count("failed") == len(bad)
    assert tree(tmp_path / "whole") == tree(tmp_path / "out")
