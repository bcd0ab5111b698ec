"""Training from audio shards = training from the data directory they were made of, bit by bit."""

import random
import signal
from pathlib import Path

import pytest

from audiocodec.data.shard_audio import shard_data_dir
from audiocodec.data.training_data import read_training_data
from tests.training.helpers import assert_same, in_child, log_lines, saved_weights, signal_after

TIMES = ("time", "audio_seconds_per_second")


@pytest.fixture(scope="session")
def shards(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of the shards of `data_dir` by their format."""
    folders = {kind: tmp_path_factory.mktemp(kind) for kind in ("tar", "parquet")}
    for kind, folder in folders.items():
        shard_data_dir(data_dir, folder, kind, 5)
    return folders


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_and_restarted_on_shards_is_uninterrupted_on_the_data_directory(
    make_trainer, whole_run, shards, workers
):
    rows = read_training_data([shards["tar"]]).utterances
    trainer = make_trainer(workers=workers, utterances=rows)
    step = random.SystemRandom().randrange(1, 12)
    signal_after(trainer, step, signal.SIGKILL)
    assert in_child(trainer.run) == -signal.SIGKILL
    again = make_trainer(workers=workers, utterances=read_training_data([shards["tar"]]).utterances)
    again.run()
    assert_same(saved_weights(again.experiment), saved_weights(whole_run))


def test_a_run_goes_on_from_a_data_directory_to_its_shards(make_trainer, whole_run, shards):
    first = make_trainer()
    signal_after(first, 6, signal.SIGKILL)
    assert in_child(first.run) == -signal.SIGKILL
    make_trainer(utterances=read_training_data([shards["parquet"]]).utterances).run()
    assert_same(saved_weights(first.experiment), saved_weights(whole_run))


@pytest.mark.slow
def test_losses_of_fifty_steps_are_those_of_the_data_directory(make_trainer, shards):
    runs = [make_trainer("dir", steps=50)]
    for kind, folder in shards.items():
        rows = read_training_data([folder]).utterances
        runs.append(make_trainer(kind, steps=50, utterances=rows))
    curves = []
    for run in runs:
        run.run()
        lines = log_lines(run.experiment)
        curves.append([{k: v for k, v in line.items() if k not in TIMES} for line in lines])
    assert curves[0] == curves[1] == curves[2] and len(curves[0]) > 50
