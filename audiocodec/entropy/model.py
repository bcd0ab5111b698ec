"""Integer tables for entropy coding: a small network that says how probable each code is.

What it is told are the codes of the frames before and of the stages before in this frame, through
vectors in which codes that are alike lie together. All of it is integers of at most 32 bits, so
every machine computes the same probabilities, and decodes the same.
"""

import hashlib
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from audiocodec.errors import ModelError
from audiocodec.files import atomic_path, library_writes

TABLES_FILE = "entropy.safetensors"  # beside a model's weights
PRECISION = 16  # bits: the frequencies of all codes add up to 2**16
STEPS_PER_OCTAVE = 8
FRAMES_BACK = 4  # frames before that tables are fitted to be told of
ACTIVATION = 4095  # layers give integers from 0 or, for directions, -4095 up to this
MAX_CODEBOOK_SIZE = 1 << 13  # the least frequency is 1, which must stay improbable
_MAX_FRAMES_BACK = 64
_LARGEST = 128  # of a number in a vector
# 2 ** (16 - i / 8), rounded: the weight of a code that is i / 8 octaves below the most probable.
_POWERS = (65536, 60097, 55109, 50535, 46341, 42495, 38968, 35734)


@dataclass(frozen=True, eq=False)
class Layer:
    """Integers x to (weight @ x + bias) >> shift, clipped.

    weight: (outputs, inputs) int8; bias: (outputs,) int32; shift: (outputs,) uint8.
    """

    weight: np.ndarray
    bias: np.ndarray
    shift: np.ndarray

    def fits(self, inputs: int, largest: np.ndarray | int) -> bool:
        """Whether it takes `inputs` numbers up to `largest`, and its sums stay in 31 bits."""
        outputs = len(self.shift)
        if self.weight.shape != (outputs, inputs) or self.weight.dtype != np.int8:
            return False
        if self.bias.shape != self.shift.shape or self.shift.ndim != 1 or not outputs:
            return False
        if self.bias.dtype != np.int32 or self.shift.dtype != np.uint8 or self.shift.max() > 30:
            return False
        sums = (np.abs(self.weight.astype(np.int64)) * largest).sum(1)
        return bool((sums + np.abs(self.bias.astype(np.int64)) < 1 << 31).all())


@dataclass(frozen=True, eq=False)
class StageTables:
    """What belongs to one stage.

    vectors: (codebook size, dim) int8.
    inner: from what all stages share and the sum of the vectors of the stages before in this frame.
    outer: from `inner` to a direction (dim,): codes whose vectors point there are probable.
    bias: (codebook size,) int32, added to the product of direction and vector.
    shift: from there to eighths of an octave.
    """

    vectors: np.ndarray
    inner: Layer
    outer: Layer
    bias: np.ndarray
    shift: np.uint8


@dataclass(frozen=True, eq=False)
class EntropyTables:
    """`shared` is from the sums of vectors of the frames before, the last frame first."""

    shared: Layer
    stages: tuple[StageTables, ...]

    def __post_init__(self) -> None:
        """Raises ModelError for tables that contradict themselves."""
        dims = {stage.vectors.shape[-1] for stage in self.stages}
        if len(dims) != 1 or 0 in dims or self.shared.weight.ndim != 2:
            raise ModelError("entropy tables have no stages, or vectors of different sizes")
        if self.shared.weight.shape[1] % self.dim:
            raise ModelError("entropy tables of half a frame")
        if len({len(stage.inner.shift) for stage in self.stages}) > 1:
            raise ModelError("entropy tables of stages with different numbers of units")
        sums = _LARGEST * len(self.stages)
        inputs = self.frames_back * self.dim
        if not 1 <= self.frames_back <= _MAX_FRAMES_BACK or not self.shared.fits(inputs, sums):
            raise ModelError("the shared layer of the entropy tables contradicts itself")
        for number, stage in enumerate(self.stages):
            if not self._fits(stage):
                raise ModelError(f"the entropy tables of stage {number} contradict themselves")

    def _fits(self, stage: StageTables) -> bool:
        width, size = len(self.shared.shift), len(stage.vectors)
        largest = np.repeat([ACTIVATION, _LARGEST * len(self.stages)], [width, self.dim])
        if not stage.inner.fits(width + self.dim, largest):
            return False
        if not stage.outer.fits(len(stage.inner.shift), ACTIVATION):
            return False
        if len(stage.outer.shift) != self.dim or not 1 <= size <= MAX_CODEBOOK_SIZE:
            return False
        if not isinstance(stage.shift, np.uint8):
            return False
        shifts = np.full(size, stage.shift, dtype=np.uint8)
        return stage.vectors.ndim == 2 and Layer(stage.vectors, stage.bias, shifts).fits(
            self.dim, ACTIVATION
        )

    @property
    def dim(self) -> int:
        return int(self.stages[0].vectors.shape[1])

    @property
    def frames_back(self) -> int:
        return int(self.shared.weight.shape[1]) // self.dim

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return tuple(len(stage.vectors) for stage in self.stages)

    @cached_property
    def digest(self) -> bytes:
        """8 bytes that name the tables (SHA-256); a file says by which it was coded."""
        digest = hashlib.sha256()
        for _, array in sorted(self.tensors().items()):
            digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        return digest.digest()[:8]

    def tensors(self) -> dict[str, np.ndarray]:
        """All that the tables are, by name."""
        named = {f"shared.{key}": array for key, array in _arrays(self.shared)}
        for number, stage in enumerate(self.stages):
            named |= {f"inner.{number:03}.{key}": array for key, array in _arrays(stage.inner)}
            named |= {f"outer.{number:03}.{key}": array for key, array in _arrays(stage.outer)}
            named[f"vectors.{number:03}"] = stage.vectors
            named[f"bias.{number:03}"] = stage.bias
        named["shift"] = np.array([stage.shift for stage in self.stages], dtype=np.uint8)
        return named


def _arrays(layer: Layer) -> list[tuple[str, np.ndarray]]:
    return [(field.name, getattr(layer, field.name)) for field in fields(layer)]


def powers() -> np.ndarray:
    """int32 weights by how far, in eighths of an octave, a code is below the most probable."""
    below = np.arange(17 * STEPS_PER_OCTAVE)
    return (np.array(_POWERS)[below % STEPS_PER_OCTAVE] >> below // STEPS_PER_OCTAVE).astype(
        np.int32
    )


def read_tables(folder: str | Path) -> EntropyTables:
    """The tables of a model folder.

    Raises:
        ModelError: it has none, or they are not entropy tables.
    """
    path = Path(folder) / TABLES_FILE
    if not path.is_file():
        raise ModelError(
            f"{folder} has no entropy tables ({TABLES_FILE}); `codec model fit-entropy` makes them"
        )
    try:
        tensors = load_file(path)
        numbers = range(len(tensors["shift"]))
        return EntropyTables(_layer(tensors, "shared"), tuple(_stage(tensors, n) for n in numbers))
    except (OSError, SafetensorError, KeyError, TypeError, IndexError, ModelError) as error:
        raise ModelError(
            f"{path}: no usable entropy tables: {error}; `codec model fit-entropy` makes new ones"
        ) from None


def _layer(tensors: dict[str, np.ndarray], name: str) -> Layer:
    return Layer(*(tensors[f"{name}.{field.name}"] for field in fields(Layer)))


def _stage(tensors: dict[str, np.ndarray], number: int) -> StageTables:
    return StageTables(
        tensors[f"vectors.{number:03}"],
        _layer(tensors, f"inner.{number:03}"),
        _layer(tensors, f"outer.{number:03}"),
        tensors[f"bias.{number:03}"],
        tensors["shift"][number],
    )


def write_tables(folder: str | Path, tables: EntropyTables) -> None:
    """Write the tables beside a model's weights, whole or not at all."""
    with atomic_path(Path(folder) / TABLES_FILE) as temporary, library_writes():
        save_file(tables.tensors(), temporary)
