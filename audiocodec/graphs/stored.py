"""Where the numbers of a graph lie: in the model's weights file, or in tables written beside it.

Both are safetensors, whose tensors are contiguous bytes at known offsets. That is what ONNX calls
external data, so graphs of a model hold no weights and share one copy of them.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from torch import Tensor

from audiocodec.extras import extra

with extra("onnx-export"):
    from onnx import TensorProto

_TYPES = {
    "F16": ("float16", TensorProto.FLOAT16),
    "F32": ("float32", TensorProto.FLOAT),
    "F64": ("float64", TensorProto.DOUBLE),
    "I64": ("int64", TensorProto.INT64),
}


@dataclass(frozen=True)
class Stored:
    """A tensor in a file beside the graph."""

    name: str
    file: str
    dtype: str
    onnx_type: int
    shape: tuple[int, ...]
    offset: int
    num_bytes: int

    def proto(self) -> TensorProto:
        """What a graph holds of it."""
        proto = TensorProto(name=self.name, data_type=self.onnx_type, dims=self.shape)
        proto.data_location = TensorProto.EXTERNAL
        entries = {"location": self.file, "offset": self.offset, "length": self.num_bytes}
        for key, value in entries.items():
            proto.external_data.add(key=key, value=str(value))
        return proto


class StoredTensors:
    """The weights of a model folder and the tables that its graphs need besides.

    Graphs are built twice: the first time finds out which tables there are, `write_tables` gives
    them places, and the second time knows these.
    """

    def __init__(self, weights: Path, state: Mapping[str, Tensor], tables: str) -> None:
        self._of_pointer = {tensor.data_ptr(): name for name, tensor in state.items()}
        self._places = read_places(weights)
        self._tables: dict[str, np.ndarray] = {}
        self._tables_file = tables

    def find(self, tensor: Tensor) -> Stored:
        """Where `tensor` lies; a tensor that is no weight becomes a table."""
        name = self._of_pointer.get(tensor.data_ptr())
        if name is not None and self._places[name].shape == tuple(tensor.shape):
            return self._places[name]
        array = tensor.detach().cpu().contiguous().numpy()
        digest = hashlib.sha256(repr((array.dtype, array.shape)).encode() + array.tobytes())
        name = f"table.{digest.hexdigest()[:16]}"
        if name not in self._places:
            self._tables[name] = array
            dtype = {"float32": "F32", "float64": "F64", "int64": "I64"}[str(array.dtype)]
            return Stored(name, "", *_TYPES[dtype], array.shape, 0, array.nbytes)
        return self._places[name]

    def write_tables(self, folder: Path) -> None:
        """Write the tables found so far."""
        path = folder / self._tables_file
        save_file(self._tables, path)
        self._places |= read_places(path)


def read_places(path: Path) -> dict[str, Stored]:
    """Where each tensor of a safetensors file lies."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    header.pop("__metadata__", None)
    places = {}
    for name, entry in header.items():
        start, stop = entry["data_offsets"]
        shape = tuple(entry["shape"])
        places[name] = Stored(
            name, path.name, *_TYPES[entry["dtype"]], shape, 8 + size + start, stop - start
        )
    return places
