"""Statistics of a batch that is spread over the processes of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, distributed

_alone = False


def sum_over_processes(values: Tensor) -> Tensor:
    """The sum of `values` over all processes, without gradient. Every process must get here."""
    values = values.detach()
    if not _together():
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total


def mean_over_processes(values: Tensor) -> Tensor:
    """The mean of `values` over all processes, without gradient; `values` where there is but one.

    Every process must get here: what divides by a statistic of the batch would otherwise make two
    processes differ from one with twice the batch.
    """
    total = sum_over_processes(values)
    return total / distributed.get_world_size() if _together() else total


def rows_of_processes(values: Tensor) -> Tensor:
    """`values` (rows, ...) of all processes, one below the other in the order of their ranks.

    Every process must get here, each with as many rows.
    """
    values = values.detach().contiguous()
    if not _together():
        return values
    parts = [torch.empty_like(values) for _ in range(distributed.get_world_size())]
    distributed.all_gather(parts, values)
    return torch.cat(parts)


def _together() -> bool:
    return not _alone and distributed.is_available() and distributed.is_initialized()


@contextmanager
def alone() -> Iterator[None]:
    """Inside, each process takes its own statistics: one process's bad numbers stay there."""
    global _alone
    _alone = True
    try:
        yield
    finally:
        _alone = False
