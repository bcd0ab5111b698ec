"""Checkpoint folders: the whole state of a training run, each complete or absent.

`EXP/checkpoints/step_00001000/` holds `config.yaml`, `codec.safetensors` (the averaged weights, so
the folder is a model that `load_codec` reads) and `state.pt` (networks, optimizers, step; read with
`weights_only=True`, so nothing in it can run).
"""

import logging
import re
import shutil
from pathlib import Path
from typing import Any

import torch

from audiocodec.errors import ModelError
from audiocodec.files import atomic_folder
from audiocodec.models.bundle import write_model
from audiocodec.models.codec import Codec

log = logging.getLogger(__name__)

STATE_FILE = "state.pt"
State = dict[str, Any]


def checkpoint_folders(experiment: Path) -> list[Path]:
    """Complete checkpoints, oldest first."""
    folders = (experiment / "checkpoints").glob("step_*")
    return sorted(folder for folder in folders if re.fullmatch(r"step_\d{8}", folder.name))


def save_checkpoint(experiment: Path, step: int, average: Codec, state: State, keep: int) -> Path:
    """Write the checkpoint of `step`, then remove all but the `keep` newest."""
    folder = experiment / "checkpoints" / f"step_{step:08d}"
    with atomic_folder(folder) as temporary:
        write_model(average, temporary)
        torch.save(state, temporary / STATE_FILE)
    for old in checkpoint_folders(experiment)[:-keep]:
        shutil.rmtree(old)
    return folder


def load_state(folder: Path) -> State:
    """The state that `save_checkpoint` was given.

    Raises:
        ModelError: the file is missing or damaged.
    """
    try:
        state: State = torch.load(folder / STATE_FILE, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged files
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"{folder / STATE_FILE}: not readable: {reason}") from None
    return state


def latest_state(experiment: Path) -> State | None:
    """The state of the newest checkpoint that can be read; says so when one is passed over."""
    for folder in reversed(checkpoint_folders(experiment)):
        try:
            state = load_state(folder)
        except ModelError as error:
            log.warning("%s; falling back to the checkpoint before", error)
            continue
        log.info("resuming from %s", folder)
        return state
    return None
