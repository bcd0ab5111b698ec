"""Every quantizer of the table trains in a codec, and an interrupted run resumes exactly."""

import signal
from dataclasses import fields
from pathlib import Path

import pytest
import torch
from torch import distributed, multiprocessing

from audiocodec.cli.main import main
from audiocodec.config import from_dict
from audiocodec.models.bundle import load_codec
from audiocodec.quantization import QUANTIZERS
from audiocodec.training.interruption import Interrupted
from tests.training.helpers import (
    TINY,
    assert_same,
    in_child,
    log_lines,
    saved_weights,
    signal_after,
)

MINI = Path(__file__).parents[2] / "egs/mini/conf/train.yaml"

# What no gradient teaches, and what is drawn: the others have only weights to resume.
FAST = ["cvq", "ema_vq", "sq"]
KINDS = [pytest.param(kind, marks=[] if kind in FAST else pytest.mark.slow) for kind in QUANTIZERS]


def codec(kind: str) -> dict[str, object]:
    """The tiny codec with a quantizer of this kind, of 16 codes where that is an option."""
    names = {field.name for field in fields(QUANTIZERS[kind][0])}
    size = {"codebook_size": 16} if "codebook_size" in names else {}
    return {**TINY["codec"], "quantizer": {"kind": kind} | size}


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_run_goes_on_as_if_it_had_not(make_trainer, kind):
    whole = make_trainer("whole", codec=codec(kind))
    whole.run()
    assert whole.state.step == 12
    assert all(
        torch.isfinite(torch.tensor(line["mel"])) for line in log_lines(whole.experiment)[:-1]
    )
    first = make_trainer(codec=codec(kind))
    signal_after(first, 7, signal.SIGTERM)
    with pytest.raises(Interrupted):
        first.run()
    again = make_trainer(codec=codec(kind))
    again.run()
    assert_same(saved_weights(again.experiment), saved_weights(whole.experiment))


@pytest.mark.slow
@pytest.mark.parametrize("kind", QUANTIZERS)
def test_each_trains_by_its_name_alone_in_the_mini_recipe(kind, data_dir, tmp_path):
    arguments = ["train", "--config", MINI, "--set", f"codec.quantizer.kind={kind}"]
    arguments += ["--train-data", data_dir, "--valid-data", data_dir, "--output", tmp_path / "exp"]
    for setting in ("steps=3", "autoencoder_steps=1", "adversarial_start=2"):  # only shorter
        arguments += ["--set", setting]
    assert in_child(lambda: exit_zero(main([str(a) for a in [*arguments, "--device", "cpu"]]))) == 0
    codec = load_codec(tmp_path / "exp/model")
    waveform = torch.randn(1, 1, 4 * codec.hop_length, generator=torch.Generator().manual_seed(0))
    latent = codec.encoder(waveform)
    assert codec.quantizer.decode(codec.quantizer.encode(latent)).isfinite().all()


def exit_zero(code: int) -> None:
    assert code == 0


def test_what_no_gradient_teaches_moves_with_the_training(make_trainer):
    trainer = make_trainer(codec=codec("ema_vq"))
    trainer.run()
    quantizer = trainer.networks.codec.quantizer
    assert not quantizer._seen
    assert float(quantizer.cluster_size.std()) > 0
    assert torch.equal(quantizer.codebook, trainer.networks.ema.average.quantizer.codebook)


def _learn(rank, processes, kind, options, latent, folder):
    """Two steps of one of the processes on its share of the rows; saves the state."""
    distributed.init_process_group(
        "gloo", f"file://{folder}/meet{processes}", rank=rank, world_size=processes
    )
    torch.manual_seed(0)
    config = from_dict(QUANTIZERS[kind][0], options)
    quantizer = QUANTIZERS.build(config, latent.shape[1])
    quantizer.initialize(latent)
    rows = latent.chunk(processes)[rank]
    loss = 0.0
    for step in range(2):
        quantizer.before_step()
        loss = quantizer(rows + step).loss
        quantizer.after_step(step)
    gradients = []
    if loss.requires_grad:
        loss.backward()
        for weight in quantizer.parameters():
            if weight.grad is not None:  # what only the decoder's losses teach has none here
                distributed.all_reduce(weight.grad)
                gradients.append(weight.grad / processes)
    torch.save((quantizer.state_dict(), gradients), f"{folder}/{processes}_{rank}.pt")
    distributed.destroy_process_group()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("ema_vq", {"codebook_size": 64, "replace_below": 0.5}),
        ("cvq", {"codebook_size": 64}),
        ("cvq", {"codebook_size": 64, "anchor": "random"}),
        ("rq", {"codebook_size": 64, "replace_below": 0.5}),
        ("lfq", {"codebook_size": 64, "diversity": 2.0}),
    ],
)
def test_two_processes_learn_what_one_learns_from_all_rows(tmp_path, kind, options):
    latent = torch.randn(4, 8, 20, generator=torch.Generator().manual_seed(0))
    for processes in (1, 2):
        arguments = (processes, kind, options, latent, str(tmp_path))
        multiprocessing.spawn(_learn, arguments, nprocs=processes)
    whole, *parts = (torch.load(tmp_path / f"{name}.pt") for name in ("1_0", "2_0", "2_1"))
    assert_same(parts[0][0], parts[1][0])
    for name, tensor in whole[0].items():
        torch.testing.assert_close(parts[0][0][name], tensor, atol=1e-5, rtol=1e-5)
    for gradient, wanted in zip(parts[0][1], whole[1], strict=True):
        torch.testing.assert_close(gradient, wanted, atol=1e-5, rtol=1e-4)
