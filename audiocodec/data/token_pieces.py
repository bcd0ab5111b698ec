"""The recordings of token shards, cut into pieces and shuffled: one order for a whole run."""

import contextlib
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audiocodec.codes import CodesMetadata
from audiocodec.containers.shard_files import SHARD_SUFFIXES, OpenShards, open_shard
from audiocodec.containers.shard_rows import Listed, Shard
from audiocodec.errors import DataError
from audiocodec.walk import walk

log = logging.getLogger(__name__)

_STREAM = 7  # other users of the same seed draw from other streams


class Place(NamedTuple):
    """Frames `start` to `stop` of a row; `last` if the row ends there."""

    path: Path
    row: int
    start: int
    stop: int
    last: bool


class Piece(NamedTuple):
    """codes: (num_quantizers, frames), with what the shard says of their recording."""

    place: Place
    codes: np.ndarray
    row: Listed


class TokenPieces:
    """The pieces of shards, epoch by epoch; an epoch has every frame of every readable row once.

    Args:
        paths: of shards; folders stand for the shards in them.
        frames: of a piece at most; None leaves rows whole.
        seed: of the order and of the cuts, which are elsewhere in each epoch; None keeps the order
            of the shards.
        epochs: None for no end.
        pool: shards that are shuffled together.

    Raises:
        DataError: no shards, or, when they are met, shards of several models or without rows.
        CodeFileError: a shard that cannot be read.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        frames: int | None,
        seed: int | None,
        epochs: int | None,
        pool: int,
    ) -> None:
        self.frames, self.seed, self.epochs, self.pool = frames, seed, epochs, pool
        self.paths: list[Path] = []
        for path in map(Path, paths):
            self.paths += sorted(walk(path, SHARD_SUFFIXES)) if path.is_dir() else [path]
        if not self.paths:
            names = ", ".join(map(str, paths))
            raise DataError(f"{names}: no {' '.join(SHARD_SUFFIXES)} file there")
        with contextlib.closing(open_shard(self.paths[0])) as first:
            self.metadata: CodesMetadata = first.metadata
        self._lengths: dict[Path, np.ndarray] = {}  # frames of the rows of shards that were met

    def stream(self, takes: Callable[[np.ndarray], np.ndarray]) -> Iterator[Piece]:
        """The pieces whose numbers in the run are taken; no other codes are read."""
        epoch, before = 0, 0
        while self.epochs is None or epoch < self.epochs:
            former = before
            paths = [self.paths[i] for i in self._order(self._random(epoch, 0), len(self.paths))]
            for at in range(0, len(paths), self.pool):
                pool = paths[at : at + self.pool]
                count = sum(int(self._counts(path).sum()) for path in pool)
                mine = takes(before + np.arange(count))
                if mine.any():
                    places = self._places(pool, self._random(epoch, 1 + at))
                    yield from _read([p for p, take in zip(places, mine, strict=True) if take])
                before += count
            if before == former:
                raise DataError(f"{self.paths[0].parent}: the shards have no row that can be read")
            epoch += 1

    def _places(self, pool: Sequence[Path], random: np.random.Generator) -> list[Place]:
        """All pieces of a pool of shards, in their order."""
        places = []
        for path in pool:
            lengths, counts = self._row_lengths(path), self._counts(path)
            width = np.maximum(lengths, 1) if self.frames is None else self.frames
            spare = counts * width - lengths  # by how much the first piece may be shorter
            cut = 0 * spare if self.seed is None else random.integers(0, spare + 1)
            for row in np.flatnonzero(counts).tolist():
                step = int(np.broadcast_to(width, counts.shape)[row])
                ends = range(step - int(cut[row]), step * int(counts[row]) + 1, step)
                stops = [min(end, int(lengths[row])) for end in ends]
                for start, stop in zip([0, *stops], stops, strict=False):
                    places.append(Place(path, row, start, stop, bool(stop == lengths[row])))
        return [places[i] for i in self._order(random, len(places))]

    def _order(self, random: np.random.Generator, count: int) -> Sequence[int]:
        return range(count) if self.seed is None else random.permutation(count).tolist()

    def _random(self, epoch: int, number: int) -> np.random.Generator:
        key = np.array([self.seed or 0, _STREAM], dtype=np.uint64)
        counter = np.array([0, 0, epoch, number], dtype=np.uint64)
        return np.random.Generator(np.random.Philox(key=key, counter=counter))

    def _counts(self, path: Path) -> np.ndarray:
        """Pieces of each row of a shard."""
        lengths = self._row_lengths(path)
        return np.minimum(lengths, 1) if self.frames is None else -(-lengths // self.frames)

    def _row_lengths(self, path: Path) -> np.ndarray:
        """Frames of each row of a shard; 0 for those that cannot be read."""
        if path not in self._lengths:
            with contextlib.closing(open_shard(path)) as shard:
                self._refuse_others(path, shard)
                problems = [*(row.problem for row in shard.rows), shard.problem]
                if any(problems):
                    log.warning("%s: left out: %s", path, "; ".join(filter(None, problems)))
                frames = [
                    0 if row.problem else -(-row.num_samples // self.metadata.hop_length)
                    for row in shard.rows
                ]
            self._lengths[path] = np.array(frames, dtype=np.int64)
        return self._lengths[path]

    def _refuse_others(self, path: Path, shard: Shard) -> None:
        first, found = self.metadata, shard.metadata
        same = (found.model_hash, found.codebook_sizes) == (first.model_hash, first.codebook_sizes)
        if shard.mixed or not same:
            raise DataError(
                f"{path}: has codes of {'several models' if shard.mixed else found.model}, of "
                f"{len(found.codebook_sizes)} stages; {self.paths[0]} has codes of {first.model} "
                f"({first.model_hash}) of {len(first.codebook_sizes)}, which cannot be mixed"
            )


def _read(places: Sequence[Place]) -> Iterator[Piece]:
    """Pieces in their order, though they are read in that of the shards."""
    found: dict[Place, Piece] = {}
    with contextlib.closing(OpenShards()) as shards:
        for place in sorted(places):
            codes, _ = shards.read(place.path, place.row)
            row = shards.shards[place.path].rows[place.row]
            found[place] = Piece(place, codes[:, place.start : place.stop].copy(), row)
    for place in places:
        yield found.pop(place)
