"""Stopped or killed and run again = uninterrupted, bit by bit."""

import os
import random
import signal

import pytest
import torch

from audiocodec.errors import ConfigError, ModelError
from audiocodec.training import checkpoint
from audiocodec.training.interruption import Interrupted
from audiocodec.training.provenance import refuse_changes
from audiocodec.training.validation import Score
from tests.training.helpers import (
    assert_same,
    in_child,
    log_lines,
    saved_weights,
    signal_after,
)

TIMES = ("time", "audio_seconds_per_second")


@pytest.mark.parametrize("workers", [0, 2])
def test_killed_at_a_random_step_and_restarted_is_uninterrupted(make_trainer, whole_run, workers):
    step = random.SystemRandom().randrange(1, 12)
    trainer = make_trainer(workers=workers)
    signal_after(trainer, step, signal.SIGKILL)
    assert in_child(trainer.run) == -signal.SIGKILL
    again = make_trainer(workers=workers)
    again.run()
    assert_same(saved_weights(again.experiment), saved_weights(whole_run))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_signal_saves_stops_with_code_75_and_the_run_goes_on(make_trainer, whole_run, number):
    first = make_trainer()
    signal_after(first, 6, number)
    with pytest.raises(Interrupted, match=signal.Signals(number).name) as caught:
        first.run()
    assert caught.value.exit_code == 75
    assert checkpoint.checkpoint_folders(first.experiment)[-1].name == "step_00000007"
    second = make_trainer()
    second.run()
    assert_same(saved_weights(second.experiment), saved_weights(whole_run))
    lines, wanted = log_lines(second.experiment), log_lines(whole_run)
    for line in [*lines, *wanted]:
        for name in TIMES:
            line.pop(name, None)
    assert lines == wanted


def test_a_signal_to_the_whole_group_which_ends_the_workers_saves_too(make_trainer):
    trainer = make_trainer(workers=1)

    def work() -> None:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        inner = trainer.updater.update

        def with_signal(*arguments: object) -> object:
            if trainer.state.step == 6:
                os.killpg(0, signal.SIGTERM)
            return inner(*arguments)

        trainer.updater.update = with_signal
        try:
            trainer.run()
        except Interrupted:
            os._exit(75)

    assert in_child(work) == 75
    assert checkpoint.latest_checkpoint(trainer.experiment).state["step"] >= 7


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(make_trainer, whole_run, caplog):
    make_trainer().run()
    again = make_trainer()
    state = checkpoint.checkpoint_folders(again.experiment)[-1] / checkpoint.STATE_FILE
    content = bytearray(state.read_bytes())
    content[len(content) // 2] ^= 1
    state.write_bytes(content)
    again.run()
    assert f"{state}: damaged; falling back" in caplog.text
    assert_same(saved_weights(again.experiment), saved_weights(whole_run))


def test_without_any_readable_checkpoint_nothing_is_overwritten(make_trainer):
    make_trainer().run()
    again = make_trainer()
    for folder in checkpoint.checkpoint_folders(again.experiment):
        (folder / checkpoint.STATE_FILE).write_bytes(b"")
    with pytest.raises(ModelError, match="none of 2 checkpoints can be read"):
        again.run()


def test_other_options_or_data_are_refused_or_warned_of(make_trainer, caplog):
    make_trainer().run()
    with pytest.raises(ConfigError, match=r"losses\.mel: 5\.0 -> 6\.0.*--allow-changes"):
        make_trainer(losses={"mel": 6.0, "mel_settings": {"windows": [512], "n_mels": [20]}}).run()
    other = make_trainer()
    with pytest.raises(ConfigError, match=r"data\.train"):
        make_trainer(utterances=other.train[1:]).run()
    make_trainer(utterances=other.train[1:], allow_changes=True, steps=13).run()
    assert "OTHER OPTIONS OR DATA" in caplog.text


def test_a_run_of_before_a_kind_was_renamed_is_the_same_run():
    former, present = ({"codec": {"encoder": {"kind": k}}} for k in ("causal", "convnext"))
    assert refuse_changes(former, present, allowed=False) == ""


def test_more_steps_extend_a_finished_run(make_trainer):
    make_trainer().run()
    longer = make_trainer(steps=14)
    longer.run()
    assert [line["step"] for line in log_lines(longer.experiment)][-2:] == [14, 14]
    assert longer.networks.ema.updates == 14


def test_the_newest_checkpoints_and_that_of_the_best_model_are_kept(make_trainer):
    trainer = make_trainer(validate_every=2, save_every=2, best="mel")
    values = iter([5.0, 9.0, 4.0, 3.0, 2.0, 1.0])
    trainer.validator.score = lambda *_: [Score(5, {}, [torch.zeros(16), torch.zeros(16)])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("audiocodec.training.trainer.summarise", lambda *_: {"mel": -next(values)})
        trainer.run()
    names = [folder.name for folder in checkpoint.checkpoint_folders(trainer.experiment)]
    assert names == ["step_00000004", "step_00000010", "step_00000012"]
