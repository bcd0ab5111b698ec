"""Integer tables for entropy coding: how probable each code is after three others.

The context of a code is the classes of three codes that the decoder has already, `sources`. Each
class says for every code how much more probable it makes it, in eighths of an octave; the three add
up. The decoder makes frequencies of the sums in integers, so every machine decodes the same.
"""

import hashlib
import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from audiocodec.errors import ModelError
from audiocodec.files import atomic_path

TABLES_FILE = "entropy.safetensors"  # beside a model's weights
PRECISION = 16  # bits: the frequencies of a context add up to 2**16
STEPS_PER_OCTAVE = 8
SOURCES = 3  # codes that a context is made of
MAX_DELAY = 3  # frames that they may lie back
MAX_CODEBOOK_SIZE = 1 << 13  # the least frequency is 1, which must stay improbable
# 2 ** (16 - i / 8), rounded: the weight of a code that is i / 8 octaves below the most probable.
_POWERS = (65536, 60097, 55109, 50535, 46341, 42495, 38968, 35734)
_ABSENT = -(1 << 13)  # for codes that a smaller codebook lacks: below all sums of three logs


@dataclass(frozen=True, eq=False)
class EntropyTables:
    """One entry for each stage of the model.

    sources: (3, 2) uint8: how many frames back, and which stage; (0, s) is stage s of this frame.
    classes: three (codebook size of the source + 1,) uint8: the class of no code, which is where
        there is no such frame, then of each code.
    logs: three (classes, codebook size) int8, in eighths of an octave.
    """

    sources: tuple[np.ndarray, ...]
    classes: tuple[tuple[np.ndarray, ...], ...]
    logs: tuple[tuple[np.ndarray, ...], ...]

    def __post_init__(self) -> None:
        """Raises ModelError for tables that contradict themselves."""
        if not len(self.sources) == len(self.classes) == len(self.logs) > 0:
            raise ModelError("entropy tables have different numbers of stages")
        for stage in range(len(self.sources)):
            if not self._fits(stage):
                raise ModelError(f"the entropy table of stage {stage} contradicts itself")

    def _fits(self, stage: int) -> bool:
        sources, all_classes, all_logs = self.sources[stage], self.classes[stage], self.logs[stage]
        if sources.shape != (SOURCES, 2) or sources.dtype != np.uint8:
            return False
        if not len(all_classes) == len(all_logs) == SOURCES:
            return False
        size = all_logs[0].shape[-1]
        for (delay, source), classes, logs in zip(
            sources.tolist(), all_classes, all_logs, strict=True
        ):
            # The stages run one frame apart from one to the next: see rans.py.
            if delay > MAX_DELAY or source >= min(stage + delay, len(self.logs)):
                return False
            if classes.shape != (self.logs[source][0].shape[-1] + 1,) or classes.dtype != np.uint8:
                return False
            if logs.shape != (int(classes.max()) + 1, size) or logs.dtype != np.int8:
                return False
        return 1 <= size <= MAX_CODEBOOK_SIZE

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return tuple(logs[0].shape[-1] for logs in self.logs)

    @cached_property
    def digest(self) -> bytes:
        """8 bytes that name the tables (SHA-256); a file says by which it was coded."""
        digest = hashlib.sha256()
        for _, array in sorted(self.tensors().items()):
            digest.update(array.tobytes())
        return digest.digest()[:8]

    def tensors(self) -> dict[str, np.ndarray]:
        """All that the tables are, by name; single bytes throughout."""
        named = {"sources": np.stack(self.sources)}
        for stage, source in itertools.product(range(len(self.sources)), range(SOURCES)):
            named[f"classes.{stage:03}.{source}"] = self.classes[stage][source]
            named[f"logs.{stage:03}.{source}"] = self.logs[stage][source]
        return named

    @cached_property
    def rows(self) -> np.ndarray:
        """(all classes of all stages, largest codebook) int16: `logs`, one below the other."""
        largest = max(self.codebook_sizes)
        padded = [
            np.pad(part.astype(np.int16), ((0, 0), (0, largest - size)), constant_values=_ABSENT)
            for logs, size in zip(self.logs, self.codebook_sizes, strict=True)
            for part in logs
        ]
        return np.concatenate(padded)

    @cached_property
    def row_numbers(self) -> np.ndarray:
        """int64: the row of `rows` for each entry of all `classes`, one after the other."""
        begins = np.cumsum([0, *(len(part) for logs in self.logs for part in logs)])
        every = (part for classes in self.classes for part in classes)
        return np.concatenate([part + begin for part, begin in zip(every, begins, strict=False)])

    @cached_property
    def class_begins(self) -> np.ndarray:
        """(stages, 3): where the classes of each source begin in `row_numbers`."""
        lengths = [len(part) for classes in self.classes for part in classes]
        return np.cumsum([0, *lengths])[:-1].reshape(-1, SOURCES)

    def ends(self, contexts: np.ndarray) -> np.ndarray:
        """Sums of the weights of all codes up to each: (..., codes) int32 of contexts (..., 3).

        The part of a code in 2**16 is that of its weight in the sum of all, and at least 1.
        """
        sums = self.rows[contexts].sum(-2, dtype=np.int16)
        weights = _WEIGHTS[sums.max(-1, keepdims=True) - sums]
        least = (weights.sum(-1, keepdims=True) >> (PRECISION - 1)) + 1
        if len(set(self.codebook_sizes)) > 1:
            least = np.where(sums > _ABSENT // 2, least, 0)
        return np.maximum(weights, least).cumsum(-1, dtype=np.int32)


def _weights() -> np.ndarray:
    """int32 weights by how far, in eighths of an octave, a code is below the most probable."""
    below = np.arange(1 << 15)
    octaves = np.minimum(below // STEPS_PER_OCTAVE, 31)
    return (np.array(_POWERS)[below % STEPS_PER_OCTAVE] >> octaves).astype(np.int32)


_WEIGHTS = _weights()


def read_tables(folder: str | Path) -> EntropyTables:
    """The tables of a model folder.

    Raises:
        ModelError: it has none, or they are no such tables.
    """
    path = Path(folder) / TABLES_FILE
    if not path.is_file():
        raise ModelError(
            f"{folder} has no entropy tables ({TABLES_FILE}); `codec fit-entropy` makes them"
        )
    try:
        tensors = load_file(path)
        stages = range(len(tensors["sources"]))
        numbers = range(SOURCES)
        return EntropyTables(
            tuple(tensors["sources"]),
            tuple(tuple(tensors[f"classes.{s:03}.{j}"] for j in numbers) for s in stages),
            tuple(tuple(tensors[f"logs.{s:03}.{j}"] for j in numbers) for s in stages),
        )
    except (OSError, SafetensorError, KeyError, TypeError, IndexError, ModelError) as error:
        raise ModelError(f"{path}: no usable entropy tables: {error}") from None


def write_tables(folder: str | Path, tables: EntropyTables) -> None:
    """Write the tables beside a model's weights, whole or not at all."""
    with atomic_path(Path(folder) / TABLES_FILE) as temporary:
        save_file(tables.tensors(), temporary)
