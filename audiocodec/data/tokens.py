"""Batches of tokens for a language model, from shards of codes."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from audiocodec.containers.shard_rows import Listed
from audiocodec.data.token_pieces import Piece, TokenPieces
from audiocodec.errors import ConfigError
from audiocodec.patterns import Pattern, pattern_of


class TokenBatch(NamedTuple):
    """Pieces of recordings as tokens.

    tokens: (batch, length), or (batch, num_quantizers, length) unless the pattern is flat; int64,
        padded with the pattern's `pad`.
    rows: what the shards say of their recordings: id, speaker, text, ...
    frames: (batch, 2), int64, the first frame of each piece and the one behind its last.
    """

    tokens: Tensor
    rows: list[Listed]
    frames: Tensor


class TokenDataset(IterableDataset[TokenBatch]):
    """Yields batches of tokens, in an order that depends on the shards and the seed alone.

    An epoch has every frame of every readable row once. Batches are dealt to the processes in
    turn. With a `DataLoader` give `batch_size=None`: any `num_workers` gives the same batches.
    Every process reads all shards, and keeps what is its own: at 6 kbit/s, 1000 hours are 2.7 GB.

    Args:
        shards: files of `codec encode --format parquet` or `webdataset`, or folders of them.
        pattern: one of `audiocodec.patterns.PATTERNS`, or a function of the codebook sizes.
        batch_size: pieces in a batch of one process.
        frames: of a piece at most; longer recordings are cut, elsewhere in each epoch. None leaves
            them whole.
        num_quantizers: stages to keep; None for all.
        marks: begin recordings with bos and end them with eos.
        seed: of the order and the cuts; None keeps the order of the shards.
        epochs: how many; None for no end. What is left at the end is a smaller batch.
        start: batches of this process to skip, to go on where a run has stopped.
        rank, world_size: of the processes; None for those of torch.distributed, if that runs.
        pool: shards that are shuffled together.

    Raises:
        ConfigError: options that cannot be.
        DataError: no shards, or shards of several models.
        CodeFileError: a shard or a row that cannot be read.

    >>> from audiocodec import EncodeOptions, TokenDataset, encode_files
    >>> options = EncodeOptions(format="parquet", num_quantizers=4)
    >>> encode_files(["corpus"], "shards", options=options).done
    2
    >>> dataset = TokenDataset("shards", "delayed", batch_size=2)
    >>> next(iter(dataset)).tokens.shape  # 75 frames, 3 more steps for the delay, and two marks
    torch.Size([2, 4, 80])
    """

    def __init__(
        self,
        shards: str | Path | Sequence[str | Path],
        pattern: str | Callable[[Sequence[int]], Pattern] = "flattened",
        *,
        batch_size: int = 8,
        frames: int | None = None,
        num_quantizers: int | None = None,
        marks: bool = True,
        seed: int | None = 0,
        epochs: int | None = None,
        start: int = 0,
        rank: int | None = None,
        world_size: int | None = None,
        pool: int = 4,
    ) -> None:
        super().__init__()
        counts = {"batch_size": batch_size, "frames": frames, "epochs": epochs, "pool": pool}
        for name, value in counts.items():
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; give 1 or more")
        self.batch_size, self.marks, self.start = batch_size, marks, start
        self.rank, self.world_size = _place(rank, world_size)
        if not 0 <= self.rank < self.world_size or start < 0:
            raise ConfigError(
                f"rank {self.rank} of {self.world_size} processes, start {start}: give a rank from "
                "0 that is below their number, and a start of 0 or more"
            )
        inputs = [shards] if isinstance(shards, str | Path) else shards
        self.pieces = TokenPieces(inputs, frames, seed, epochs, pool)
        self.metadata = self.pieces.metadata
        every = self.metadata.codebook_sizes
        self.num_quantizers = len(every) if num_quantizers is None else num_quantizers
        if not 1 <= self.num_quantizers <= len(every):
            raise ConfigError(
                f"num_quantizers is {num_quantizers}; {self.pieces.paths[0]} has 1 to {len(every)}"
            )
        sizes = every[: self.num_quantizers]
        self.pattern: Pattern = (
            pattern_of(pattern, sizes) if isinstance(pattern, str) else pattern(sizes)
        )

    def __iter__(self) -> Iterator[TokenBatch]:
        pieces = self.pieces.stream(self._takes)
        while batch := list(islice(pieces, self.batch_size)):
            yield self._batch(batch)

    def _takes(self, pieces: np.ndarray) -> np.ndarray:
        """Which pieces of the run are for this reader of this process: whole batches, of which
        each of several readers makes every n-th, as a DataLoader asks for them.
        """
        worker = get_worker_info()
        number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
        batches = pieces // self.batch_size
        steps = batches // self.world_size - self.start
        mine = (batches % self.world_size == self.rank) & (steps >= 0)
        return mine & (steps % workers == number)

    def _batch(self, batch: Sequence[Piece]) -> TokenBatch:
        tokens = []
        for (_, _, start, _, last), codes, _ in batch:
            bos, eos = self.marks and start == 0, self.marks and last
            own = self.pattern.apply(codes[: self.num_quantizers], bos, eos)
            tokens.append(torch.from_numpy(own))
        shape = (*tokens[0].shape[:-1], max(own.shape[-1] for own in tokens))
        padded = torch.full((len(tokens), *shape), self.pattern.pad)
        for row, own in zip(padded, tokens, strict=True):
            row[..., : own.shape[-1]] = own
        frames = torch.tensor([(piece.place.start, piece.place.stop) for piece in batch])
        return TokenBatch(padded, [piece.row for piece in batch], frames)


def _place(rank: int | None, world_size: int | None) -> tuple[int, int]:
    running = torch.distributed.is_available() and torch.distributed.is_initialized()
    if rank is None:
        rank = torch.distributed.get_rank() if running else 0
    if world_size is None:
        world_size = torch.distributed.get_world_size() if running else 1
    return rank, world_size
