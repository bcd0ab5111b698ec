"""The model of a run: its weights, its entropy tables and the threads that it may use."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from audiocodec.entropy.model import TABLES_FILE, EntropyTables, read_tables
from audiocodec.environment import available_cores
from audiocodec.errors import ConfigError, ModelError
from audiocodec.models.folders import DEFAULT_MODEL, model_folder, shipped_models
from audiocodec.pipeline.options import BatchOptions

if TYPE_CHECKING:
    from audiocodec.models.base import AnyCodec
    from audiocodec.models.transcoder import Transcoder

ModelName: TypeAlias = "str | Path | AnyCodec | None"  # None: the default


def load_model(
    model: ModelName, device: str, runtime: str | None = None, beams: int = 1
) -> "AnyCodec":
    """A model for work with files; `device`, `runtime` and `beams` are for one that has to be
    loaded.

    If neither says what is to run it, that is what starts fastest: both give the same codes.

    Raises:
        ConfigError: beams for a model that is loaded already, or that cannot use them.
    """
    from audiocodec.models.bundle import load_codec, quickest_runtime

    if not isinstance(model, str | Path | None):
        if beams not in (1, model.beams):
            raise ConfigError(f"{model.name} is loaded already: model.use_beams({beams}) before")
        return model
    name = model or DEFAULT_MODEL
    chosen = runtime or quickest_runtime(name, device, beams)
    return load_codec(name, device, runtime=chosen, beams=beams)


def load_transcoder(
    model: ModelName, device: str, runtime: str | None = None, beams: int = 1
) -> "Transcoder":
    """`load_model`, to be applied to files."""
    from audiocodec.models.transcoder import Transcoder

    return Transcoder(load_model(model, device, runtime, beams))


def load_tables(model: ModelName, *, required: bool = False) -> EntropyTables | None:
    """The entropy tables of a model; None if it has none, or if no model is installed by default.

    Raises:
        ModelError: the model was named and is missing, or tables are `required`.
    """
    if not isinstance(model, str | Path | None):
        if model.folder is None:
            if required:
                raise ModelError(
                    f"{model.name} has no folder, hence no entropy tables; save it first"
                )
            return None
        model = model.folder
    if model is None and not required and DEFAULT_MODEL not in shipped_models():
        return None
    folder = model_folder(model or DEFAULT_MODEL)
    return read_tables(folder) if required or (folder / TABLES_FILE).is_file() else None


@contextlib.contextmanager
def model_workers(
    codec: "AnyCodec", options: BatchOptions, device: str, single: bool
) -> Iterator[int]:
    """How many files the model works on at once; divides the CPU threads among them.

    The threads of one file wait for one another in every layer, those of several files never.
    """
    alone = single or device != "cpu"
    with codec.threads(options.threads if alone else 1):
        yield 1 if alone else options.threads or available_cores()


def batch_seconds(
    options: BatchOptions, device: str, on_cpu: Callable[[], float] = lambda: 0
) -> float:
    """Seconds of audio to run at once, 0 for one file; `on_cpu` finds the default there."""
    if options.batch_seconds is not None:
        return options.batch_seconds
    return on_cpu() if device == "cpu" else 600
