"""Model folders to release: averaged weights, maybe in half precision, maybe with the judges."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch

from audiocodec.config import load_config
from audiocodec.errors import ConfigError, ModelError, one_line
from audiocodec.extras import extra
from audiocodec.files import atomic_folder
from audiocodec.models.bundle import load_codec
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig
from audiocodec.models.folders import (
    CONFIG_FILE,
    DISCRIMINATORS_FILE,
    TRAINING_FILE,
    model_folder,
    require_free,
)
from audiocodec.models.weights import write_model
from audiocodec.training.checkpoint import (
    load_start,
    read_training_config,
    write_discriminators,
)


def export_model(
    source: str | Path,
    target: Path,
    half: bool = False,
    discriminators: bool = False,
    graphs: bool = False,
    assignments: Sequence[str] = (),
) -> None:
    """Write the model of `source`, a model or checkpoint folder or a shipped name, to `target`.

    A source that is its own target can get `graphs`, and nothing else.

    Args:
        assignments: A.B=C each, for what in the codec's configuration has no weights.

    Raises:
        ConfigError: an assignment to what there is not, or a source that is its own target.
        MissingPackage: graphs need the onnx package.
        ModelError: the target holds more than a model, or the source is not a model, lacks the
            discriminators asked for, has weights that half precision cannot hold or the assignments
            leave no place for, or parts that graphs cannot have.
    """
    dtype = torch.float16 if half else torch.float32
    folder = model_folder(source)
    codec = load_codec(folder, runtime="torch")
    in_place = target.is_dir() and target.samefile(folder)
    if in_place:
        if half or discriminators or assignments or not graphs:
            raise ConfigError(
                f"{target} is the model itself, whose other files would be lost: give another "
                "folder to write (--onnx alone adds graphs to a model)"
            )
        with atomic_folder(target) as temporary:  # nothing is lost of what the folder has besides
            shutil.copytree(folder, temporary, dirs_exist_ok=True)
            _add_graphs(temporary, codec.name)
        return
    require_free(target)
    if assignments:
        codec = _changed(codec, folder, assignments)
    for name, tensor in codec.state_dict().items():
        if not bool(tensor.to(dtype).isfinite().all()):
            raise ModelError(f"{folder}: {name} is not finite or too large for {dtype}")
    with atomic_folder(target) as temporary:
        write_model(codec, temporary, dtype)
        if discriminators:
            tensors = load_start(folder).discriminators
            if tensors is None:
                raise ModelError(
                    f"{folder} has no {DISCRIMINATORS_FILE} and {TRAINING_FILE}; "
                    "give a checkpoint, e.g. EXP/checkpoints/step_00100000"
                )
            tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()}
            write_discriminators(tensors, read_training_config(folder), temporary)
        if graphs:
            _add_graphs(temporary, target.resolve().name)


def _changed(codec: Codec, folder: Path, assignments: Sequence[str]) -> Codec:
    changed = Codec(load_config(CodecConfig, folder / CONFIG_FILE, assignments), name=codec.name)
    try:
        changed.load_state_dict(codec.state_dict())
    except RuntimeError as error:
        raise ModelError(
            f"{folder}: --set {' '.join(assignments)} asks for other weights than it has: "
            f"{one_line(error)[:200]}; train that, or set what has no weights"
        ) from None
    return changed


def _add_graphs(folder: Path, name: str) -> None:
    with extra("onnx-export"):
        from audiocodec.graphs.export import export_graphs
    export_graphs(load_codec(folder, runtime="torch"), folder, name)
