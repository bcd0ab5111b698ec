"""The rows of a WebDataset tar file, which is searched once and read row by row."""

import io
import json
import tarfile
from math import prod
from pathlib import Path
from typing import TypeAlias

import numpy as np

from audiocodec.containers.metadata import MAX_METADATA_BYTES, CodesMetadata
from audiocodec.containers.shard_rows import SHARED, Listed, Shard, checked, listed, metadata_of
from audiocodec.errors import CodeFileError, one_line

_BLOCK = 512  # bytes; tar files consist of such
Place: TypeAlias = tuple[int, int]  # offset and size of a file in the tar file


class TarShard(Shard):
    """Where the members of each row are; the file is opened for each row."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows, self.shared = path, [], {}
        found: dict[str, dict[str, Place]] = {}
        end, size = 0, path.stat().st_size
        try:
            with tarfile.open(path, "r:") as tar:
                for member in tar:
                    if member.size < 0:  # which would lead tarfile round in a circle
                        raise tarfile.ReadError("a file of negative size")
                    end = member.offset_data + member.size + -member.size % _BLOCK
                    folder, _, name = member.name.rpartition("/")
                    key, _, suffix = name.partition(".")  # as WebDataset divides names
                    if member.isreg() and suffix in ("npy", "json") and end <= size:
                        place = (member.offset_data, member.size)
                        found.setdefault(f"{folder}/{key}", {})[suffix] = place
        except tarfile.TarError as error:
            if not found:
                raise
            self.problem = f"damaged behind row {len(found) - 1}: {one_line(error)}"
        if not found:
            raise CodeFileError("not a shard of codes; it has pairs of .npy and .json files")
        self.places = list(found.values())
        with open(path, "rb") as file:
            file.seek(end)
            if not self.problem and file.read(_BLOCK) != bytes(_BLOCK):  # as every tar file ends
                self.problem = f"truncated or damaged behind row {len(found) - 1}"
            for index, places in enumerate(self.places):
                self.rows.append(self._listed(index, places, file))

    def _listed(self, index: int, places: dict[str, Place], file: io.BufferedReader) -> Listed:
        try:
            values = _json(places, file)
        except CodeFileError as error:
            return Listed(f"row-{index}", problem=f"row {index} {error}")
        shared = {name: values.get(name) for name in SHARED}
        self.shared = self.shared or shared
        self.mixed = self.mixed or shared != self.shared
        row = listed(index, values)
        if "npy" not in places:
            return Listed(row.id, problem=f"row {index} ({row.id}) has no .npy beside its .json")
        return row

    def read(self, row: int) -> tuple[np.ndarray, CodesMetadata]:
        places = self.places[row]
        with open(self.path, "rb") as file:
            values = _json(places, file)
            metadata = metadata_of(values, values.get("num_samples"))
            offset, size = places["npy"]
            file.seek(offset)
            return checked(_array(file.read(size)), metadata)

    def close(self) -> None:
        """Nothing is held open."""


def _json(places: dict[str, Place], file: io.BufferedReader) -> dict[str, object]:
    offset, size = places.get("json", (0, 0))
    if not 0 < size <= MAX_METADATA_BYTES:
        raise CodeFileError(f"has no .json of 1 to {MAX_METADATA_BYTES} bytes")
    file.seek(offset)
    try:
        values = json.loads(file.read(size))
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, dict):
        raise CodeFileError("its .json is not a JSON object")
    return values


def _array(data: bytes) -> np.ndarray:
    """The integers of a `.npy` file; nothing is allocated that is not there."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) == (1, 0):
        shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    if dtype.kind not in "iu" or prod(shape) * dtype.itemsize != len(data) - file.tell():
        raise CodeFileError(f"its .npy is no array of integers, or not all of it: {shape} {dtype}")
    codes = np.frombuffer(data, dtype, offset=file.tell())
    return codes.reshape(shape[::-1]).T if fortran else codes.reshape(shape)
