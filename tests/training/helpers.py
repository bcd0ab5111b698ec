"""Tiny runs, their weights and their logs; processes that die on cue."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import torch

from audiocodec.config import from_dict
from audiocodec.training.checkpoint import latest_checkpoint
from audiocodec.training.config import TrainConfig
from audiocodec.training.trainer import Trainer

TINY = {
    "codec": {
        "latent_dim": 8,
        "encoder": {"kind": "convnext", "strides": [320], "channels": [24], "blocks": [1]},
        "quantizer": {"kind": "residual", "num_quantizers": 2, "codebook_size": 16},
        "decoder": {"kind": "convnext", "channels": 24, "blocks": 1, "head": {"kind": "mdct"}},
    },
    "crops": {"seconds": 0.2},
    "discriminators": [{"kind": "ms_stft", "n_ffts": [256], "channels": 2}],
    "losses": {"mel_settings": {"windows": [512], "n_mels": [20]}},
    "optimizer": {"learning_rate": 2e-3},
    "steps": 12,
    "batch_size": 2,
    "autoencoder_steps": 4,
    "adversarial_start": 6,
    "warmup_steps": 2,
    "decay_steps": 2,
    "precision": "fp32",
    "log_every": 1,
    "save_every": 5,
    "validate_every": 12,
    "validation_utterances": 1,
}


def tiny_config(**options: object) -> TrainConfig:
    return from_dict(TrainConfig, TINY | options)


def weights(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Every trained tensor of a run, by `codec.`, `judge.` or `average.` and its name."""
    networks = trainer.networks
    parts = {
        "codec": networks.codec,
        "judge": networks.discriminators,
        "average": networks.ema.average,
    }
    return {
        f"{part}.{name}": tensor
        for part, module in parts.items()
        for name, tensor in module.state_dict().items()
    }


def saved_weights(experiment: Path) -> dict[str, torch.Tensor]:
    """Those of the newest checkpoint, optimizers included."""
    found = latest_checkpoint(experiment)
    networks = found.state["engine"]["networks"]
    tensors = {f"codec.{name}": tensor for name, tensor in networks["codec"].items()}
    tensors |= {f"average.{name}": tensor for name, tensor in found.average.items()}
    tensors |= {f"judge.{name}": tensor for name, tensor in found.discriminators.items()}
    for part, optimizer in networks["optimizers"].items():
        for index, slots in optimizer["state"].items():
            tensors |= {f"{part}.{index}.{slot}": tensor for slot, tensor in slots.items()}
    return tensors


def assert_same(found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    """Bit-equal tensors under the same names."""
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


def log_lines(experiment: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (experiment / "log.jsonl").read_text().splitlines()]


def in_child(work: Callable[[], None]) -> int:
    """Do `work` in a forked process; its exit code, or minus the signal that ended it."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def signal_after(trainer: Trainer, step: int, number: int) -> None:
    """Have the trainer's own process send itself a signal in the middle of a step."""
    inner = trainer.updater.update

    def with_signal(*arguments: object) -> object:
        if trainer.state.step == step:
            os.kill(os.getpid(), number)
        return inner(*arguments)

    trainer.updater.update = with_signal
