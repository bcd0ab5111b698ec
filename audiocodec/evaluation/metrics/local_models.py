"""Models that metrics load from files the user names, and from nowhere else."""

import importlib.util
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.environment import import_onnxruntime
from audiocodec.errors import ConfigError, MissingPackage

Network = Callable[[np.ndarray], np.ndarray]


@lru_cache
def load_network(path: str) -> Network:
    """A function (1, time) -> array from an ONNX or TorchScript file; kept for the next call.

    Raises:
        ConfigError: the file is missing, damaged or of another kind.
        MissingPackage: its runtime is not installed.
    """
    if not Path(path).is_file():
        raise ConfigError(f"{path}: no such model file")
    load = _onnx if Path(path).suffix == ".onnx" else _torchscript
    try:
        return load(path)
    except MissingPackage:
        raise
    except Exception as error:  # each runtime has errors of its own
        reason = str(error).partition("\n")[0]
        raise ConfigError(f"{path}: not an ONNX or TorchScript model: {reason}") from None


def _onnx(path: str) -> Network:
    onnxruntime = import_onnxruntime()  # takes a while to load
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # pairs run in parallel
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda waveform: np.asarray(session.run(None, {name: waveform})[0])


def _torchscript(path: str) -> Network:
    import torch

    module = torch.jit.load(path, map_location="cpu").eval()

    def run(waveform: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            output: np.ndarray = module(torch.from_numpy(waveform)).numpy()
        return output

    return run


@lru_cache
def load_function(reference: str) -> Callable[..., Any]:
    """The function that FILE.py:NAME names.

    Raises:
        ConfigError: there is no such file or function in it, or the file does not run.
    """
    file, _, name = reference.rpartition(":")
    if not (Path(file).is_file() and file.endswith(".py") and name):
        raise ConfigError(f"{reference}: no such function; give FILE.py:NAME")
    spec = importlib.util.spec_from_file_location(Path(file).stem, file)
    assert spec is not None and spec.loader is not None  # it is a .py file
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigError(f"{file}: {type(error).__name__}: {error}") from None
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"{file}: has no function {name!r}")
    return function
