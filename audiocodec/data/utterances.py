"""Lists of utterances that may be too long for an object each."""

import bisect
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple, overload

import numpy as np

from audiocodec.data.data_dir import Utterance


class Columns(NamedTuple):
    """What crops are drawn by, an element an utterance: `num_samples`; `sample_rate` in Hz, 0 where
    the file has to be asked; `speaker`, a number from 0 for each.
    """

    num_samples: np.ndarray
    sample_rate: np.ndarray
    speaker: np.ndarray


class UtteranceTable(Sequence[Utterance]):
    """Utterances that are made when they are asked for."""

    @abstractmethod
    def columns(self) -> Columns:
        """All of them at once."""

    @abstractmethod
    def row(self, index: int) -> Utterance:
        """The utterance `index`, from 0."""

    @overload
    def __getitem__(self, index: int) -> Utterance: ...

    @overload
    def __getitem__(self, index: slice) -> list[Utterance]: ...

    def __getitem__(self, index: int | slice) -> Utterance | list[Utterance]:
        if isinstance(index, slice):
            return [self.row(i) for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.row(index % len(self))

    def __iter__(self) -> Iterator[Utterance]:
        return map(self.row, range(len(self)))


class Joined(UtteranceTable):
    """Several lists, one after the other."""

    def __init__(self, parts: Sequence[Sequence[Utterance]]) -> None:
        self.parts = parts
        self.ends = list(accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    def row(self, index: int) -> Utterance:
        part = bisect.bisect_right(self.ends, index)
        return self.parts[part][index - (self.ends[part - 1] if part else 0)]

    def columns(self) -> Columns:
        speakers: dict[str, int] = {}
        tables = [columns_of(part) for part in self.parts]
        for number, (part, table) in enumerate(zip(self.parts, tables, strict=True)):
            # A speaker of several lists is one: by the first utterance of each in this list.
            codes, first = np.unique(table.speaker, return_index=True)
            numbers = [speakers.setdefault(part[int(i)].speaker, len(speakers)) for i in first]
            renamed = np.zeros(int(codes.max(initial=-1)) + 1, dtype=np.int64)
            renamed[codes] = numbers
            tables[number] = table._replace(speaker=renamed[table.speaker])
        return Columns(*(np.concatenate(column) for column in zip(*tables, strict=True)))


def columns_of(utterances: Sequence[Utterance]) -> Columns:
    """The columns of any list of utterances."""
    if isinstance(utterances, UtteranceTable):
        return utterances.columns()
    speakers: dict[str, int] = {}
    return Columns(
        np.array([u.num_samples for u in utterances], dtype=np.int64),
        np.array([u.sample_rate or 0 for u in utterances], dtype=np.int64),
        np.array([speakers.setdefault(u.speaker, len(speakers)) for u in utterances], dtype=int),
    )
