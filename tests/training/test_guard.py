"""What is not finite is skipped by both networks, blamed, and in the end gone back from."""

import logging

import pytest
import torch

from audiocodec.quantization.usage import CodebookUsage
from audiocodec.training import checkpoint
from audiocodec.training.backward import Phase, TrainingBatch
from audiocodec.training.guard import Diverged, Guard, GuardConfig
from audiocodec.training.trainer import Trainer
from tests.training.helpers import assert_same, log_lines, weights


def spoil(trainer: Trainer, steps: range, row: int = 1) -> None:
    """Put a NaN into one crop of each of `steps`."""
    inner = trainer.batches

    def batches():
        for step, batch in enumerate(inner(), start=trainer.state.step):
            if step in steps:
                batch.waveform[row, 0, 7] = float("nan")
            yield batch

    trainer.batches = batches


def test_a_bad_crop_skips_the_step_of_both_networks_and_is_named(make_trainer, caplog):
    trainer = make_trainer(steps=9)
    spoil(trainer, range(7, 8))
    before = {}
    inner = trainer.updater.update

    def step(*arguments):
        nonlocal before
        before = {name: tensor.clone() for name, tensor in weights(trainer).items()}
        done = inner(*arguments)
        if trainer.state.step == 7:
            assert_same(weights(trainer), before)
            assert done.bad == "mel" and done.rows == (1,)
        return done

    trainer.updater.update = step
    names = [batch.utterance_ids for _, batch in zip(range(8), trainer.batches(), strict=False)][7]
    trainer.run()
    assert f"step 8 skipped: mel is not finite; utterances {names[1]}" in caplog.text
    assert [line["skipped"] for line in log_lines(trainer.experiment) if "skipped" in line] == [
        *[0] * 7, 1, 0,
    ]  # fmt: skip


def test_a_gradient_that_is_not_finite_names_the_weight(make_trainer):
    trainer = make_trainer()
    parameter = trainer.networks.codec.decoder.head.basis
    parameter.register_hook(lambda gradient: gradient * float("inf"))
    batch = next(trainer.batches())
    trainer.train_step(batch)
    assert trainer.guard.in_a_row == 1
    trainer.state.step = 6
    before = {name: tensor.clone() for name, tensor in weights(trainer).items()}
    phase = Phase.at(trainer.state.step, trainer.config)
    done = trainer.updater.update(TrainingBatch(batch.waveform, torch.tensor([2, 2])), phase)
    assert done.bad == "gradient of codec.decoder.head.basis" and done.rows == (0, 1)
    assert_same(weights(trainer), before)


def test_many_bad_steps_in_a_row_go_back_at_half_the_rate(make_trainer, caplog):
    trainer = make_trainer(guard={"patience": 3})
    spoiled = iter([True])  # only the first time
    spoil_later = trainer.batches

    def batches():
        bad = next(spoiled, False)
        for batch in spoil_later():
            if bad and trainer.state.step in range(6, 10):
                batch.waveform[:] = float("nan")
            yield batch

    trainer.batches = batches
    trainer.run()
    assert "3 steps in a row were not finite; back to step 5, learning rates x 0.5" in caplog.text
    rates = {
        line["step"]: line["learning_rate"]
        for line in log_lines(trainer.experiment)
        if "learning_rate" in line
    }
    assert rates[5] == pytest.approx(2e-3) and rates[6] == pytest.approx(1e-3)
    steps = [line["step"] for line in log_lines(trainer.experiment)]
    assert steps == [*range(1, 13), 12]  # none twice but for the validation


def test_a_run_that_stays_not_finite_stops_and_says_what_to_do(make_trainer):
    trainer = make_trainer(guard={"patience": 2, "max_returns": 1})
    spoil(trainer, range(100))
    with pytest.raises(Diverged, match=r"lower the learning rates.*codec data validate"):
        trainer.run()


def test_a_collapsing_codebook_raises_one_alarm_until_it_recovers():
    guard = Guard(GuardConfig(min_perplexity=0.1))
    fine, dead = CodebookUsage(1024, 900, 9.0), CodebookUsage(1024, 8, 3.0)
    (alarm,) = guard.collapse([fine, dead], frames=10_000)
    assert alarm.startswith(
        "codebook 2 of 2 is collapsing: it uses its 1024 codes as if it had 8.0"
    )
    assert guard.collapse([fine, dead], frames=10_000) == []
    assert guard.collapse([fine, fine], frames=10_000) == []
    assert len(guard.collapse([fine, dead], frames=10_000)) == 1
    assert guard.collapse([dead, dead], frames=60) == []  # 60 codes cannot use many


def test_a_collapse_reaches_the_log(make_trainer, caplog):
    trainer = make_trainer(guard={"min_perplexity": 0.99}, steps=8)
    with caplog.at_level(logging.WARNING):
        trainer.run()
    assert "codebook 1 of 2 is collapsing" in caplog.text
    assert {"codebook/perplexity_min", "codebook/used_mean"} <= log_lines(trainer.experiment)[
        -2
    ].keys()


def test_no_checkpoint_is_written_while_steps_are_skipped(make_trainer):
    trainer = make_trainer(save_every=2, steps=8, keep_checkpoints=9)
    spoil(trainer, range(3, 7))
    trainer.run()
    names = [folder.name for folder in checkpoint.checkpoint_folders(trainer.experiment)]
    assert names == ["step_00000000", "step_00000002", "step_00000008"]
