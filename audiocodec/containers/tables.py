"""Integer frequency tables for entropy coding: how probable each code is after another one.

The context of a code of stage s is the class of one code that the decoder has already: that of an
earlier stage `sources[s]` in the same frame or, if `sources[s]` is s, its own of the frame before.
Only integers decide how a file is decoded, so every machine decodes the same.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from audiocodec.errors import ModelError
from audiocodec.files import atomic_path

TABLES_FILE = "entropy.safetensors"  # beside a model's weights
PRECISION = 15  # bits: the frequencies of a context add up to 2**15
MAX_CODEBOOK_SIZE = 1 << 13  # the least frequency is 1, which must stay improbable


@dataclass(frozen=True, eq=False)
class EntropyTables:
    """One entry for each stage of the model.

    sources: stages that give the context.
    classes: (size of the source's codebook,) uint8, class of each of its codes.
    frequencies: (classes + 1, codebook_size) uint16, rows sum to 2**15, none is 0; the last row
        is for frames without a frame before.
    """

    sources: tuple[int, ...]
    classes: tuple[np.ndarray, ...]
    frequencies: tuple[np.ndarray, ...]

    def __post_init__(self) -> None:
        """Raises ModelError for tables that contradict themselves."""
        sizes = self.codebook_sizes
        if not len(self.sources) == len(self.classes) == len(sizes) > 0:
            raise ModelError("entropy tables have different numbers of stages")
        for stage, (source, classes, rows) in enumerate(
            zip(self.sources, self.classes, self.frequencies, strict=True)
        ):
            fits = (
                0 <= source <= stage
                and classes.dtype == np.uint8
                and rows.dtype == np.uint16
                and classes.shape == (sizes[source],)
                and rows.ndim == 2
                and int(classes.max()) < len(rows) - 1
                and rows.min() > 0
                and (rows.sum(1, dtype=np.int64) == 1 << PRECISION).all()
            )
            if not fits:
                raise ModelError(f"the entropy table of stage {stage} contradicts itself")

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return tuple(rows.shape[-1] for rows in self.frequencies)

    @cached_property
    def digest(self) -> bytes:
        """8 bytes that name the tables (SHA-256); a file says by which it was coded."""
        digest = hashlib.sha256(bytes(self.sources))
        for array in (*self.classes, *self.frequencies):
            digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        return digest.digest()[:8]

    @cached_property
    def starts(self) -> tuple[np.ndarray, ...]:
        """(classes + 1, codebook_size) int64: sums of the frequencies of all smaller codes."""
        return tuple(rows.cumsum(1, dtype=np.int64) - rows for rows in self.frequencies)

    @cached_property
    def class_lists(self) -> tuple[list[int], ...]:
        """`classes` as lists, with one entry more: the row for no frame before."""
        pairs = zip(self.classes, self.frequencies, strict=True)
        return tuple([*classes.tolist(), len(rows) - 1] for classes, rows in pairs)

    @cached_property
    def start_lists(self) -> tuple[list[list[int]], ...]:
        """`starts` as lists, which Python searches faster, with 2**15 in the end."""
        return tuple([[*row, 1 << PRECISION] for row in rows.tolist()] for rows in self.starts)

    def contexts(self, codes: np.ndarray) -> np.ndarray:
        """The rows of the tables for codes (num_quantizers, frames), of the same shape."""
        rows = np.empty(codes.shape, dtype=np.int64)
        for stage in range(len(codes)):
            source = self.sources[stage]
            classes = self.classes[stage][codes[source]]
            if source == stage:
                classes = np.concatenate([[len(self.frequencies[stage]) - 1], classes[:-1]])
            rows[stage] = classes
        return rows


def read_tables(folder: str | Path) -> EntropyTables:
    """The tables of a model folder.

    Raises:
        ModelError: there are none, or they are damaged.
    """
    path = Path(folder) / TABLES_FILE
    if not path.is_file():
        raise ModelError(
            f"{folder}: no {TABLES_FILE}; `codec fit-entropy` makes it from code files"
        )
    try:
        tensors = load_file(path)
        stages = range(len(tensors["sources"]))
        return EntropyTables(
            tuple(map(int, tensors["sources"])),
            tuple(tensors[f"classes.{stage}"] for stage in stages),
            tuple(tensors[f"frequencies.{stage}"] for stage in stages),
        )
    except (OSError, SafetensorError, KeyError, TypeError, ModelError) as error:
        raise ModelError(f"{path}: no usable entropy tables: {error}") from None


def write_tables(folder: str | Path, tables: EntropyTables) -> None:
    """Write the tables beside a model's weights, whole or not at all."""
    tensors = {"sources": np.array(tables.sources, dtype=np.uint8)}
    tensors |= _numbered("classes", tables.classes) | _numbered("frequencies", tables.frequencies)
    with atomic_path(Path(folder) / TABLES_FILE) as temporary:
        save_file(tensors, temporary)


def _numbered(name: str, arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{name}.{stage}": array for stage, array in enumerate(arrays)}
