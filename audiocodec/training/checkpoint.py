"""Checkpoint folders: the whole state of a training run, each complete or absent.

`EXP/checkpoints/step_00001000/` holds

- `config.yaml`, `codec.safetensors`: the averaged weights, so the folder is a model;
- `discriminators.safetensors`, `training.yaml`: what else fine-tuning starts from;
- `state.pt`: weights in training, optimizers, counters; read with `weights_only=True`, so nothing
  in it can run;
- `checksums.json`: SHA-256 of each, written last.
"""

import json
import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from audiocodec import config as configuration
from audiocodec.errors import CodecError, ModelError, one_line
from audiocodec.files import atomic_folder, library_writes, sha256_of
from audiocodec.models.bundle import load_codec
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig
from audiocodec.models.folders import (
    DISCRIMINATORS_FILE,
    TRAINING_FILE,
    WEIGHTS_FILE,
    model_folder,
)
from audiocodec.models.weights import write_model
from audiocodec.training.config import TrainConfig

log = logging.getLogger(__name__)

STATE_FILE, CHECKSUMS_FILE = "state.pt", "checksums.json"
State = dict[str, Any]
Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """What a folder holds."""

    folder: Path
    config: TrainConfig
    average: Tensors
    discriminators: Tensors
    state: State


@dataclass(frozen=True)
class Start:
    """Trained networks to start from; a released model may come without discriminators."""

    folder: Path
    codec_config: CodecConfig
    codec: Tensors
    discriminator_configs: tuple[Any, ...] = ()
    discriminators: Tensors | None = None
    matching: bool = False  # another configuration: only weights of equal names and shapes

    def has_quantizer(self, config: CodecConfig) -> bool:
        """Whether its codes are those of a codec of `config`."""
        return self.codec_config.quantizer == config.quantizer


def checkpoint_folders(experiment: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    folders = (experiment / "checkpoints").glob("step_*")
    return sorted(folder for folder in folders if re.fullmatch(r"step_\d{8,}", folder.name))


def checkpoint_folder(experiment: Path, step: int) -> Path:
    """Where the checkpoint of `step` lies."""
    return experiment / "checkpoints" / f"step_{step:08d}"


def save_checkpoint(
    folder: Path, config: TrainConfig, average: Codec, discriminators: nn.Module, state: State
) -> None:
    """Write a checkpoint folder, whole or not at all."""
    with atomic_folder(folder) as temporary:
        write_model(average, temporary)
        write_discriminators(discriminators.state_dict(), config, temporary)
        with library_writes():
            torch.save(state, temporary / STATE_FILE)
        sums = {path.name: sha256_of(path) for path in sorted(temporary.iterdir())}
        (temporary / CHECKSUMS_FILE).write_text(json.dumps(sums, indent=2), encoding="utf-8")


def write_discriminators(tensors: Tensors, config: TrainConfig, folder: Path) -> None:
    """Write the files that fine-tuning needs besides the model into an existing folder."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with library_writes():
        save_file(tensors, folder / DISCRIMINATORS_FILE)
    (folder / TRAINING_FILE).write_text(configuration.dump_yaml(config), encoding="utf-8")


def prune_checkpoints(experiment: Path, keep: int, best_step: int | None) -> None:
    """Remove all but the `keep` newest and that of `best_step`."""
    for folder in checkpoint_folders(experiment)[:-keep]:
        if best_step is None or folder != checkpoint_folder(experiment, best_step):
            shutil.rmtree(folder)


def load_checkpoint(folder: Path) -> Checkpoint:
    """What `save_checkpoint` was given.

    Raises:
        ModelError: a file is missing or damaged, or the folder is of another version.
    """
    try:
        sums = json.loads((folder / CHECKSUMS_FILE).read_text(encoding="utf-8"))
        for name, checksum in sums.items():
            if sha256_of(folder / name) != checksum:
                raise ModelError(f"{folder / name}: damaged")
        return Checkpoint(
            folder,
            read_training_config(folder),
            load_file(folder / WEIGHTS_FILE),
            load_file(folder / DISCRIMINATORS_FILE),
            torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True),
        )
    except (OSError, ValueError, SafetensorError) as error:
        if isinstance(error, CodecError):
            raise ModelError(str(error)) from None
        raise ModelError(f"{folder}: not readable: {one_line(error)[:200]}") from None


def latest_checkpoint(experiment: Path) -> Checkpoint | None:
    """The newest checkpoint that can be read; says so when one is passed over.

    Raises:
        ModelError: there are checkpoints but none can be read.
    """
    folders = checkpoint_folders(experiment)
    for found in _readable(folders):
        return found
    if folders:
        raise ModelError(
            f"{experiment / 'checkpoints'}: none of {len(folders)} checkpoints can be read; "
            "remove them to start anew, or give another --output"
        )
    return None


def _readable(folders: list[Path]) -> Iterator[Checkpoint]:
    for folder in reversed(folders):
        try:
            yield load_checkpoint(folder)
        except ModelError as error:
            log.warning("%s; falling back to the checkpoint before", error)


def load_start(path_or_name: str | Path) -> Start:
    """The networks of a model folder, a checkpoint folder or a shipped model's name.

    Raises:
        ModelError: it is missing, damaged or contradicts itself.
    """
    folder = model_folder(path_or_name)
    codec = load_codec(folder, runtime="torch")
    if not (folder / DISCRIMINATORS_FILE).is_file():
        return Start(folder, codec.config, codec.state_dict())
    try:
        config = read_training_config(folder)
        tensors = load_file(folder / DISCRIMINATORS_FILE)
    except (CodecError, OSError, SafetensorError) as error:
        raise ModelError(f"{folder}: discriminators not readable: {error}") from None
    discriminators = {name: tensor.float() for name, tensor in tensors.items()}
    return Start(folder, codec.config, codec.state_dict(), config.discriminators, discriminators)


def read_training_config(folder: Path) -> TrainConfig:
    """The configuration of the run that wrote `folder`."""
    return configuration.load_config(TrainConfig, folder / TRAINING_FILE)
