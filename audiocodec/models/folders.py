"""Where models are: shipped, in a folder of one's own, on the hub, or at a path. Needs no torch."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from audiocodec.entropy.model import TABLES_FILE
from audiocodec.errors import ModelError
from audiocodec.files import require_utf8
from audiocodec.models import hub

ASSETS = Path(__file__).parent.parent / "assets"
DEFAULT_MODEL = "speech_24k"
CONFIG_FILE, WEIGHTS_FILE, CARD_FILE = "config.yaml", "codec.safetensors", "README.md"
ENCODER_GRAPH, DECODER_GRAPH, GRAPH_TABLES = "encoder.onnx", "decoder.onnx", "tables.safetensors"
DECODER_INT8_GRAPH, BEAMS_GRAPH = "decoder.int8.onnx", "encoder.beams.onnx"  # not all have them
GRAPH_FILES = (ENCODER_GRAPH, DECODER_GRAPH, GRAPH_TABLES)
DISCRIMINATORS_FILE, TRAINING_FILE = "discriminators.safetensors", "training.yaml"
MODEL_FILES = {
    *(CONFIG_FILE, WEIGHTS_FILE, CARD_FILE, TABLES_FILE),
    *(*GRAPH_FILES, DECODER_INT8_GRAPH, BEAMS_GRAPH),
    *(DISCRIMINATORS_FILE, TRAINING_FILE),
}
RUNTIMES = ("onnx", "onnx-int8", "torch", "torch-float32")  # what can run a model
RUNTIME_VARIABLE = "AUDIOCODEC_RUNTIME"
MODELS_VARIABLE = "AUDIOCODEC_MODELS"  # a folder of model folders, which then have names


class Found(NamedTuple):
    """A model that is on this machine: what to call it, where it lies and how it came there."""

    name: str
    folder: Path
    origin: str


def shipped_models() -> list[str]:
    """The names of the models inside the package."""
    return sorted(path.parent.name for path in ASSETS.glob(f"*/{WEIGHTS_FILE}"))


def found_models(folders: Sequence[Path] = ()) -> Iterator[Found]:
    """Every model that needs no network: shipped, named, fetched before, and those in `folders`."""
    for name in shipped_models():
        yield Found(name, ASSETS / name, "shipped")
    root = _named_models()
    if root is not None:
        for folder in _models_in(root):
            name = folder.relative_to(root).as_posix()
            hidden = name in (".", *shipped_models())  # only its path leads to it
            yield Found(str(folder) if hidden else name, folder, f"${MODELS_VARIABLE}")
    for cached, folder in hub.cached_models(WEIGHTS_FILE):
        yield Found(str(cached), folder, "hub")
    for root in folders:
        if not root.is_dir():
            raise ModelError(f"{root}: no such folder to look for models in")
        for folder in _models_in(root):
            yield Found(str(folder), folder, "folder")


def model_folder(path_or_name: str | Path) -> Path:
    """The folder of a model: a shipped one's name, a path, a name in $AUDIOCODEC_MODELS, or a name
    on the hub, from where it is fetched. The first of these that fits counts.

    Raises:
        ModelError: there is none, or it lacks one of the two files.
    """
    name = str(path_or_name)
    folder = None if name.startswith(hub.PREFIX) else _local_folder(name)
    if folder is None and (remote := hub.hub_name(name)):
        files = (
            CONFIG_FILE,
            WEIGHTS_FILE,
            TABLES_FILE,
            CARD_FILE,
            *GRAPH_FILES,
            DECODER_INT8_GRAPH,
            BEAMS_GRAPH,
        )
        try:
            folder = hub.fetch(remote, files)
        except ModelError as error:
            if name.startswith(hub.PREFIX):
                raise
            raise ModelError(f"no folder {name} here, and {error}") from None
    folder = folder or Path(name)
    for file in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / file).is_file():
            raise ModelError(
                f"model {name!r}: no {folder / file}; give a model folder, hub:owner/name or one "
                f"of: {', '.join(found.name for found in found_models())}"
            )
    return folder


def has_graphs(folder: Path, *others: str) -> bool:
    """Whether a model can run without PyTorch, and has `others` that do more than that."""
    files = (*GRAPH_FILES, *others)
    return all((folder / file).is_file() for file in files)


def model_name(folder: Path) -> str:
    """What a model in `folder` is called: by its folder, or by its repository on the hub.

    Files of codes have the name, in UTF-8, which a folder's need not be.
    """
    resolved = folder.resolve()
    return hub.cached_repository(resolved) or os.fsencode(resolved.name).decode(errors="replace")


def own_root(folder: Path) -> Path:
    """The folder beyond which no file of a model may lie: itself, or its repository in the cache of
    the hub, whose snapshots are links to files beside them.
    """
    resolved = folder.resolve()
    return resolved.parent.parent if hub.cached_repository(resolved) else resolved


def require_own(path: Path, root: Path) -> None:
    """Raises ModelError if a file of a model is a link that leads out of `root`."""
    if not path.resolve().is_relative_to(root):
        raise ModelError(f"{path}: leads out of {root}; a model folder has its own files")


def require_free(folder: Path) -> None:
    """Raises CodecError if a model written to `folder` would replace anything but a model, or if
    its name is not UTF-8.
    """
    require_utf8(folder)
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    if lost := sorted(names - MODEL_FILES):
        raise ModelError(
            f"{folder}: is there already, and its {lost[0]} would be lost; give the name of a new "
            "folder"
        )


def _local_folder(name: str) -> Path | None:
    root = _named_models()
    places = [ASSETS / name] if name in shipped_models() else []
    places += [Path(name), *([root / name] if root else [])]
    return next((folder for folder in places if folder.is_dir()), None)


def _named_models() -> Path | None:
    given = os.environ.get(MODELS_VARIABLE)
    return Path(given).expanduser() if given else None


def _models_in(root: Path) -> list[Path]:
    """At any depth; hidden folders are other programs' unfinished ones."""
    folders = sorted(path.parent for path in root.rglob(WEIGHTS_FILE))
    return [f for f in folders if not any(p.startswith(".") for p in f.relative_to(root).parts)]
