"""Pairs of files scored on a Ray cluster, part by part."""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from audiocodec.evaluation.pool import Item, Result, WorkerFailure, map_unordered
from audiocodec.pipeline.ray_cluster import cluster, pack, results, unpack

_PART = 16  # pairs: seconds of work for one process


@dataclass(frozen=True)
class _Part:
    """Some of the items, with all that scoring them takes."""

    function: Callable[[Any], Any]
    items: tuple[Any, ...]
    timeout: float
    preload: str
    folder: str  # that relative paths start from


@dataclass(frozen=True)
class RayMapper:
    """`pool.map_unordered` on the cluster at `address`, which decides how many processes there are.

    Each part has its pool of one process on its machine: what crashes or hangs costs one item.
    """

    address: str | None = None

    def __call__(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        jobs: int,
        timeout: float,
        preload: str,
    ) -> Iterator[tuple[Item, Result | WorkerFailure]]:
        waiting = iter(items)
        parts = []
        while part := tuple(islice(waiting, _PART)):
            parts.append(_Part(function, part, timeout, preload, os.getcwd()))
        if not parts:
            return
        with cluster(self.address, jobs) as ray:
            for scored in results(ray, parts, _score, num_cpus=1):
                yield from scored


def _score(batch: dict[str, Any]) -> dict[str, Any]:
    made = []
    for task in batch["task"]:
        part: _Part = unpack(task)
        with contextlib.suppress(OSError):  # then paths had better be absolute
            os.chdir(part.folder)
        made.append(
            pack([*map_unordered(part.function, part.items, 1, part.timeout, part.preload)])
        )
    return {"result": np.array(made, dtype=object)}
