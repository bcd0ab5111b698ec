"""recipes/stages.sh: options are the variables that exist; a stage runs again only if it must."""

import subprocess
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"
SCRIPT = """#!/usr/bin/env bash
# What the recipe does.
set -euo pipefail
source "{recipes}/stages.sh"
config="conf file.yaml"
train_seed=1
use_gpu=false
parse_options "$@"
if run_stage 0 "prepare" data; then
  echo zero >>ran
fi
if run_stage 1 "train" exp "$config" "$train_seed"; then
  echo one >>ran
  ls exp
  [[ ! -f broken ]]
fi
if run_stage 2 "report" exp/report; then
  echo two >>ran
fi
"""


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "conf file.yaml").write_text("steps: 1")
    (tmp_path / "run.sh").write_text(SCRIPT.format(recipes=RECIPES))

    def run(*options: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        (tmp_path / "ran").unlink(missing_ok=True)
        command = ["bash", "run.sh", *options]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        ran = tmp_path / "ran"
        return done, ran.read_text().split() if ran.exists() else []

    return run


def test_a_second_run_does_nothing(recipe):
    assert recipe()[1] == ["zero", "one", "two"]
    done, ran = recipe()
    assert done.returncode == 0 and ran == []


def test_a_changed_configuration_redoes_its_stage_and_those_after_it(recipe, tmp_path):
    recipe()
    (tmp_path / "exp" / "weights").touch()
    (tmp_path / "conf file.yaml").write_text("steps: 2")
    done, ran = recipe()
    assert ran == ["one", "two"]
    assert "weights" not in done.stdout  # nothing of the former configuration is gone on with
    assert (tmp_path / "exp.1" / "weights").exists()
    assert recipe("--train-seed", "2")[1] == ["one", "two"]
    assert recipe("--train-seed=2")[1] == []
    assert (tmp_path / "exp.2").exists()


def test_changed_commands_are_a_change(recipe, tmp_path):
    recipe()
    script = tmp_path / "run.sh"
    script.write_text(script.read_text().replace("echo two", "echo deux"))
    assert recipe()[1] == ["deux"]


def test_a_failed_stage_stops_the_recipe_and_goes_on_in_its_output(recipe, tmp_path):
    (tmp_path / "broken").touch()
    done, ran = recipe()
    assert done.returncode == 1 and ran == ["zero", "one"]
    assert "stage 1 failed" in done.stderr
    (tmp_path / "exp" / "checkpoint").touch()
    (tmp_path / "broken").unlink()
    done, ran = recipe()
    assert ran == ["one", "two"] and "checkpoint" in done.stdout


def test_a_lost_output_is_made_again(recipe, tmp_path):
    recipe()
    (tmp_path / "exp" / "report" / ".stages" / "2").unlink()
    assert recipe()[1] == ["two"]


def test_a_range_of_stages_and_force(recipe):
    assert recipe("--stop-stage", "0")[1] == ["zero"]
    assert recipe("--stage", "1", "--stop-stage", "1")[1] == ["one"]
    assert recipe("--stage", "1")[1] == ["two"]
    assert recipe("--stage", "1", "--force", "true")[1] == ["one", "two"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--train-sed", "2"], "unknown option --train-sed"),
        (["--PATH", "2"], "unexpected word"),
        (["--train-seed"], "needs a value"),
        (["--use-gpu", "yes"], "takes true or false"),
        (["--stage", "two"], "take numbers"),
        (["train"], "unexpected word 'train'"),
    ],
)
def test_a_wrong_option_stops_with_one_line(recipe, options, message):
    done, ran = recipe(*options)
    assert done.returncode == 2 and ran == []
    assert message in done.stderr and done.stderr.count("\n") == 1


def test_help_lists_what_the_recipe_does_and_every_option(recipe):
    done, ran = recipe("--help")
    assert done.returncode == 0 and ran == []
    for text in ("What the recipe does.", "--train-seed 1", "--stop-stage 100", "--force false"):
        assert text in done.stdout


def test_an_option_is_taken_literally(recipe):
    done, ran = recipe("--config", "$(touch hacked) 'x' \" ü")
    assert done.returncode == 0 and len(ran) == 3


def test_a_folder_counts_by_names_and_sizes_and_a_data_directory_by_content(recipe, tmp_path):
    data = tmp_path / "data dir"
    data.mkdir()
    (data / "a").write_text("x")
    assert recipe("--config", "data dir")[1] == ["zero", "one", "two"]
    (data / "a").write_text("y")
    assert recipe("--config", "data dir")[1] == []
    (data / "a").write_text("yy")
    assert recipe("--config", "data dir")[1] == ["one", "two"]
    for table in ("wav.scp", "utt2spk"):
        (data / table).write_text("u x")
    recipe("--config", "data dir")
    (data / "utt2spk").write_text("u y")
    assert recipe("--config", "data dir")[1] == ["one", "two"]
