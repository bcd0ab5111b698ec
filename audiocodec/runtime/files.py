"""Files of graphs, read without PyTorch and without the onnx package."""

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.errors import ModelError

_DTYPES = {"F16": "torch.float16", "BF16": "torch.bfloat16", "F32": "torch.float32"}
_METADATA_FIELD, _KEY, _VALUE, _BYTES = 14, 1, 2, 2  # of ModelProto, of its entries; a wire type


GRAPH_CHECKSUM = "graph_checksum"  # the last key in the metadata of a graph


def mapped(path: Path) -> np.ndarray:
    """The bytes of a file, uint8, read when they are needed.

    Raises:
        ModelError: missing or not readable.
    """
    try:
        return np.memmap(path, dtype=np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable: {error}") from None


def weights_checksum(config: str, contents: np.ndarray) -> str:
    """That of a model's configuration and the bytes of its safetensors file, see models/weights.py.

    Raises:
        ModelError: the bytes are not a safetensors file.
    """
    try:
        size = int.from_bytes(contents[:8].tobytes(), "little")
        header: dict[str, Any] = json.loads(contents[8 : 8 + size].tobytes())
        crc = zlib.crc32(config.encode())
        for name in sorted(set(header) - {"__metadata__"}):
            entry = header[name]
            dtype = _DTYPES.get(entry["dtype"], entry["dtype"])
            crc = zlib.crc32(f"{name} {dtype} {tuple(entry['shape'])}".encode(), crc)
            start, stop = entry["data_offsets"]
            crc = zlib.crc32(contents[8 + size + start : 8 + size + stop].data, crc)
    except (ValueError, KeyError, TypeError) as error:
        raise ModelError(f"the weights are not readable as safetensors: {error}") from None
    return f"{crc:08x}"


def graph_checksum(model: bytes) -> str:
    """CRC-32 of an ONNX file without the eight digits that follow its name, where they may be."""
    head, name, tail = model.rpartition(GRAPH_CHECKSUM.encode())
    return f"{zlib.crc32(tail[10:], zlib.crc32(head + name)):08x}"


def graph_metadata(model: bytes) -> dict[str, str]:
    """`metadata_props` of an ONNX file: the only part of it that is read here.

    Raises:
        ModelError: the bytes are not an ONNX file.
    """
    try:
        entries = [dict(_fields(v)) for field, v in _fields(model) if field == _METADATA_FIELD]
        return {e[_KEY].decode(): e.get(_VALUE, b"").decode() for e in entries}
    except (ValueError, KeyError, IndexError) as error:
        raise ModelError(f"not an ONNX file: {error}") from None


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a protocol buffer that have a length; numbers are skipped."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        if tag & 7 == _BYTES:
            size, at = _varint(message, at)
            if at + size > len(message):
                raise ValueError("it ends too early")
            yield tag >> 3, message[at : at + size]
            at += size
        elif tag & 7 == 0:
            _, at = _varint(message, at)
        else:
            raise ValueError(f"wire type {tag & 7} at byte {at}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError(f"no number at byte {at}")
