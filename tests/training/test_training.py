import json
import os
import signal

import pytest
import torch

from audiocodec.models.bundle import load_codec
from audiocodec.training import checkpoint
from audiocodec.training.schedule import draw_num_quantizers, learning_rate_factor
from audiocodec.training.trainer import Interrupted, Trainer


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    parts = {
        "codec": trainer.codec,
        "judge": trainer.discriminators,
        "average": trainer.ema.average,
    }
    return {
        f"{part}.{name}": tensor
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }


def log_lines(trainer: Trainer) -> list[dict[str, float]]:
    text = (trainer.experiment / "log.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def assert_same(trainer: Trainer, other: Trainer) -> None:
    for name, tensor in weights(trainer).items():
        assert torch.equal(tensor, weights(other)[name]), name


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("stop", [3, 7])
def test_stopped_and_resumed_is_uninterrupted(make_trainer, stop, workers):
    whole = make_trainer("whole")
    whole.run()
    first = make_trainer("parts")
    one_step = first._one_step

    def stop_after(waveform: torch.Tensor):
        terms = one_step(waveform)
        if first.step == stop:
            os.kill(os.getpid(), signal.SIGTERM)
        return terms

    first._one_step = stop_after
    with pytest.raises(Interrupted, match="SIGTERM") as caught:
        first.run()
    assert caught.value.exit_code == 75 and first.step == stop
    second = make_trainer("parts", workers=workers)
    second.run()
    assert_same(whole, second)


def test_a_corrupt_newest_checkpoint_falls_back_to_the_one_before(make_trainer, caplog):
    whole = make_trainer()
    whole.run()
    newest = checkpoint.checkpoint_folders(whole.experiment)[-1]
    state = newest / checkpoint.STATE_FILE
    state.write_bytes(state.read_bytes()[:1000])
    again = make_trainer()
    again.run()
    assert "falling back" in caplog.text
    assert_same(whole, again)


def test_a_run_logs_every_term_and_leaves_a_model(make_trainer):
    trainer = make_trainer()
    trainer.run()
    logged = set().union(*log_lines(trainer))
    assert logged >= {
        "mel",
        "stft",
        "waveform",
        "quantizer",
        "adversarial",
        "feature_matching",
        "discriminator",
        "valid/mel",
        "valid/stoi",
        "valid/used_min",
        "audio_seconds_per_second",
    }
    codec = load_codec(trainer.experiment / "model")
    for name, tensor in trainer.ema.average.state_dict().items():
        assert torch.equal(codec.state_dict()[name], tensor)
    assert len(checkpoint.checkpoint_folders(trainer.experiment)) == 2


def test_the_loss_falls_and_every_network_moves(make_trainer):
    trainer = make_trainer(steps=60, autoencoder_steps=20, adversarial_start=50)
    waveform = next(trainer._batches())
    mel = trainer.update.reconstruction["mel"]

    def distance() -> float:
        with torch.no_grad():
            return mel(waveform, trainer.codec(waveform).waveform).item()

    before, start = {n: tensor.clone() for n, tensor in weights(trainer).items()}, distance()
    trainer.run()
    assert distance() < 0.85 * start
    moved = {n.split(".")[0] for n, w in weights(trainer).items() if not torch.equal(w, before[n])}
    assert moved == {"codec", "judge", "average"}


def test_a_gradient_that_is_not_finite_skips_the_step(make_trainer, caplog):
    trainer = make_trainer()
    before = {name: tensor.clone() for name, tensor in weights(trainer).items()}
    trainer._one_step(torch.full((2, 1, 4800), float("nan")))
    assert "not finite" in caplog.text and trainer.step == 1
    for name, tensor in weights(trainer).items():
        if not name.startswith("average"):
            assert torch.equal(tensor, before[name]), name


def test_the_learning_rate_rises_stays_and_falls():
    factors = [learning_rate_factor(step, 4, 5, 20) for step in range(20)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4:16] == [1.0] * 12
    assert factors[16:] == [0.8, 0.6, 0.4, 0.2]


def test_quantizer_dropout_is_a_function_of_step_and_row():
    whole = draw_num_quantizers(0, 5, 0, 400, 8, 0.5)
    halves = torch.cat([draw_num_quantizers(0, 5, first, 200, 8, 0.5) for first in (0, 200)])
    assert torch.equal(whole, halves)
    assert set(whole.tolist()) == set(range(1, 9))
    assert float((whole == 8).float().mean()) == pytest.approx(0.5 + 0.5 / 8, abs=0.08)
    assert not torch.equal(whole, draw_num_quantizers(0, 6, 0, 400, 8, 0.5))
