"""What a run tells: every scalar, sounds, histograms, curves; a model that is its average."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from audiocodec.cli.main import main
from audiocodec.errors import DataError
from audiocodec.models.bundle import load_codec
from audiocodec.training import checkpoint
from audiocodec.training.run_log import RunLog, read_log, spectrogram_image
from audiocodec.training.schedule import draw_num_quantizers, learning_rate_factor
from audiocodec.training.window import Window
from tests.training.helpers import log_lines

SCALARS = {
    "mel", "stft", "waveform", "quantizer", "adversarial", "feature_matching", "discriminator",
    "gradient/codec", "gradient/discriminators", "learning_rate", "audio_seconds_per_second",
    "skipped", "codebook/used_min", "codebook/perplexity_mean", "valid/mel", "valid/stoi",
    "valid/pesq", "valid/used_min", "valid/perplexity_mean",
}  # fmt: skip


def test_a_run_logs_every_term_and_leaves_its_average_as_model(whole_run):
    assert set().union(*log_lines(whole_run)) >= SCALARS
    average = checkpoint.latest_checkpoint(whole_run).average
    for name, tensor in load_codec(whole_run / "model").state_dict().items():
        assert torch.equal(tensor, average[name]), name
    assert (whole_run / "config.yaml").is_file()


def test_tensorboard_gets_scalars_sounds_spectrograms_and_codebooks(whole_run):
    board = EventAccumulator(str(whole_run / "tensorboard"))
    tags = board.Reload().Tags()
    assert set(tags["scalars"]) >= SCALARS
    assert {"codebook/1", "codebook/2"} <= set(tags["histograms"])
    assert set(tags["audio"]) == {"valid_1/reference", "valid_1/decoded"}
    assert "valid_1/decoded/spectrogram" in tags["images"]
    assert [event.step for event in board.Scalars("mel")] == list(range(1, 13))


def test_plot_makes_a_picture_and_a_page(whole_run, tmp_path, capsys):
    assert (
        main(["report", str(whole_run), str(whole_run), "--output", str(tmp_path / "curves.html")])
        == 0
    )
    picture, page = capsys.readouterr().out.split()
    assert Path(picture).read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    html = Path(page).read_text(encoding="utf-8")
    assert "data:image/png;base64," in html and "feature_matching" in html
    assert "http" not in html.replace("http-equiv", "")


def test_plot_of_what_is_no_run_says_so(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 1
    assert "give an output of codec evaluate" in capsys.readouterr().err
    with pytest.raises(DataError, match="no log of a training there"):
        read_log(tmp_path)


def test_a_journal_forgets_what_will_come_again_and_half_a_line(tmp_path):
    journal = RunLog(tmp_path)
    for step in (1, 2, 3):
        journal.write(step, {"mel": 1.0})
    with open(journal.path, "a") as file:
        file.write('{"step": 4, "me')
    assert [line["step"] for line in read_log(tmp_path)] == [1, 2, 3]
    journal.rewind(2)
    assert [json.loads(line)["step"] for line in journal.path.read_text().splitlines()] == [1, 2]


def test_a_spectrogram_of_a_tone_is_brightest_at_its_frequency():
    time = np.arange(24_000) / 24_000
    image = spectrogram_image(np.sin(2 * np.pi * 6000 * time).astype(np.float32), 24_000)
    assert image.shape[:2] == (1, 257) and image.min() >= 0 and image.max() == 1
    assert image[0, :, 90].argmax() == 128  # half of Nyquist is half of the height


def test_a_window_counts_codes_and_averages_each_term_over_its_own_steps():
    window = Window([4, 2], torch.device("cpu"))
    window.add({"mel": 1.0}, [torch.tensor([[[0, 1, 1], [0, 0, 0]]])])
    window.add({"mel": 3.0, "adversarial": 5.0}, [])
    window.skip()
    assert window.means() == {"mel": 2.0, "adversarial": 5.0}
    usage = window.usage(lambda counts: 2 * counts)
    assert [counts.tolist() for counts in usage.counts] == [[2, 4, 0, 0], [6, 0]]
    assert (window.steps, window.skipped) == (3, 1)
    window.clear()
    assert window.usage(lambda counts: counts) is None


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
