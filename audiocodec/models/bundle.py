"""Model folders: `config.yaml` and `codec.safetensors` are all that a codec is. No pickle.

A folder may also have graphs, with which onnxruntime runs the model without PyTorch.
"""

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, overload

from audiocodec.errors import ConfigError, MissingPackage, ModelError
from audiocodec.extras import DISTRIBUTION, torch_named
from audiocodec.files import atomic_folder
from audiocodec.models.base import AnyCodec
from audiocodec.models.folders import (
    BEAMS_GRAPH,
    DECODER_GRAPH,
    DECODER_INT8_GRAPH,
    DEFAULT_MODEL,
    RUNTIME_VARIABLE,
    RUNTIMES,
    has_graphs,
    model_folder,
)

if TYPE_CHECKING:
    from audiocodec.models.codec import Codec
    from audiocodec.models.graph_codec import GraphCodec


@overload
def load_codec(
    path_or_name: str | Path = ...,
    device: str = ...,
    runtime: Literal["torch", "torch-float32"] | None = ...,
    beams: int = ...,
) -> "Codec": ...


@overload
def load_codec(
    path_or_name: str | Path = ...,
    device: str = ...,
    *,
    runtime: Literal["onnx", "onnx-int8"],
    beams: int = ...,
) -> "GraphCodec": ...


@overload
def load_codec(
    path_or_name: str | Path = ...,
    device: str = ...,
    *,
    runtime: str | None,
    beams: int = ...,
) -> AnyCodec: ...


def load_codec(
    path_or_name: str | Path = DEFAULT_MODEL,
    device: str = "cpu",
    runtime: str | None = None,
    beams: int = 1,
) -> AnyCodec:
    """A codec, ready to encode and decode.

    Args:
        path_or_name: a shipped model's name, a model folder, a name in $AUDIOCODEC_MODELS, or
            `owner/name` on the Hugging Face hub, also as `hub:owner/name@revision`.
        device: where it runs, e.g. "cuda", "cuda:1" or "mps".
        runtime: what runs it. "torch": PyTorch, which takes and gives tensors, too. "onnx":
            onnxruntime, on the CPU, which starts at once, needs no PyTorch and gives NumPy arrays;
            the model must have graphs. "onnx-int8": likewise, and decodes faster, in integers of
            8 bits. All these give the same codes. "torch-float32": PyTorch, encoding in float32:
            for GPUs that are slow in float64; batches, blocks and devices then change a code now
            and then. None: what $AUDIOCODEC_RUNTIME says; else PyTorch where it is installed, and
            onnxruntime where it is not.
        beams: more search the codes of a frame's stages together, see `BaseCodec.use_beams`:
            better sound at the same bitrate, and slower.

    Raises:
        ModelError: the model is missing, incomplete, damaged or contradicts itself, cannot be
            fetched, or has no graphs for onnxruntime.
        ConfigError: a runtime that there is not, or beams that the model cannot be searched with.
        MissingPackage: PyTorch is needed and not installed.

    >>> from audiocodec import load_codec
    >>> codec = load_codec()
    >>> codec.sample_rate, codec.hop_length, codec.num_quantizers
    (24000, 320, 8)
    """
    folder = model_folder(path_or_name)
    chosen = _chosen(folder, device, runtime)
    codec: AnyCodec
    if chosen.startswith("onnx"):
        from audiocodec.models.graph_codec import read_graphs

        codec = read_graphs(folder, DECODER_INT8_GRAPH if chosen == "onnx-int8" else DECODER_GRAPH)
    else:
        with torch_named():
            from audiocodec.models.weights import read_model
        layers = read_model(folder, device)
        layers.exact = chosen == "torch"
        codec = layers
    if beams != 1:
        codec.use_beams(beams)
    return codec


def quickest_runtime(path_or_name: str | Path, device: str = "cpu", beams: int = 1) -> str | None:
    """For programs that use a model through files alone: "onnx" where it will do, since PyTorch
    takes seconds to load; None, the default of `load_codec`, elsewhere.
    """
    others = () if beams == 1 else (BEAMS_GRAPH,)
    will_do = device == "cpu" and has_graphs(model_folder(path_or_name), *others)
    return "onnx" if will_do and not os.environ.get(RUNTIME_VARIABLE) else None


def _chosen(folder: Path, device: str, runtime: str | None) -> str:
    """The runtime for a model; raises ConfigError for one that is unknown or knows no such device,
    ModelError for one that the model has nothing for.
    """
    given = runtime or os.environ.get(RUNTIME_VARIABLE)
    if given not in (None, "", *RUNTIMES):
        raise ConfigError(f"runtime {given!r} is not known; choose from {', '.join(RUNTIMES)}")
    graphs = given in ("onnx", "onnx-int8")
    if graphs and device != "cpu":
        raise ConfigError(
            f"the {given} runtime runs on the CPU, not on {device}; take runtime torch"
        )
    if graphs and not has_graphs(folder, *([DECODER_INT8_GRAPH] if given == "onnx-int8" else [])):
        raise ModelError(
            f"{folder} has no graphs for the {given} runtime; `codec model export MODEL OUT "
            "--onnx` makes a copy with them"
        )
    if given:
        return given
    if importlib.util.find_spec("torch") is not None:
        return "torch"
    if device != "cpu":
        raise MissingPackage(f"device {device} needs torch: pip install '{DISTRIBUTION}[torch]'")
    if has_graphs(folder):
        return "onnx"
    raise MissingPackage(
        f"{folder} has no graphs, so it needs torch: pip install '{DISTRIBUTION}[torch]'; or make "
        "a copy with graphs where torch is: codec model export MODEL OUT --onnx"
    )


def save_codec(codec: "Codec", folder: str | Path, half: bool = False) -> None:
    """Write a model folder, whole or not at all; `half` stores float16, at half the size."""
    import torch

    from audiocodec.models.weights import write_model

    with atomic_folder(folder) as temporary:
        write_model(codec, temporary, torch.float16 if half else torch.float32)
