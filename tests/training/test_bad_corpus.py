"""A corpus with silent, clipped and truncated files trains all the same."""

import logging

import numpy as np
import pytest
import torch

from audiocodec.audio import audio_info, read_waveform, write_waveform
from audiocodec.data.data_dir import Utterance
from audiocodec.data.samples import shipped_speech
from tests.training.helpers import log_lines

TOTAL, SILENT, CLIPPED, TRUNCATED = 20, 2, 2, 1  # 10 %, 10 %, 5 %


@pytest.fixture
def utterances(tmp_path):
    """20 files: speech, silence, hard-clipped square-like speech, a file cut in the middle."""
    waveforms = [read_waveform(path, 24_000)[0] for path in shipped_speech()]
    rows = []
    for index in range(TOTAL):
        waveform, name = waveforms[index % len(waveforms)][:48_000], f"fine-{index}"
        if index < SILENT:
            waveform, name = np.zeros_like(waveform), f"silent-{index}"
        elif index < SILENT + CLIPPED:
            waveform, name = np.clip(1e4 * waveform, -1, 1), f"clipped-{index}"
        elif index < SILENT + CLIPPED + TRUNCATED:
            name = f"truncated-{index}"
        path = tmp_path / f"{name}.wav"
        write_waveform(path, waveform, 24_000)
        rows.append(Utterance(name, path, name, audio_info(path).num_samples, 24_000))
        if name.startswith("truncated"):
            path.write_bytes(path.read_bytes()[:1000])
    return rows


@pytest.mark.slow
def test_it_trains_300_steps_without_a_weight_that_is_not_finite(make_trainer, utterances, caplog):
    trainer = make_trainer(
        utterances=[*reversed(utterances)],
        steps=300,
        autoencoder_steps=50,
        adversarial_start=100,
        save_every=300,
        validate_every=300,
        log_every=10,
        crops={"seconds": 0.2, "min_peak": 0.0},  # silent crops are let through
    )
    with caplog.at_level(logging.WARNING):
        trainer.run()
    networks = trainer.networks
    for module in (networks.codec, networks.discriminators, networks.ema.average):
        for name, tensor in module.state_dict().items():
            assert bool(torch.isfinite(tensor).all()), name
    reports = [line for line in log_lines(trainer.experiment) if "skipped" in line]
    assert sum(line["skipped"] for line in reports) == 0
    named = [record.getMessage().split(";")[0].partition(":")[0] for record in caplog.records]
    assert sorted(named) == [
        "clipped-2 is clipped",
        "clipped-3 is clipped",
        "silent-0 is silent from beginning to end",
        "silent-1 is silent from beginning to end",
        "truncated-4 is left out",
    ]
