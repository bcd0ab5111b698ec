"""Statistics of a batch that is spread over the processes of a run."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, distributed

_alone = False


def mean_over_processes(values: Tensor) -> Tensor:
    """The mean of `values` over all processes, without gradient; `values` where there is but one.

    Every process must get here: what divides by a statistic of the batch would otherwise make two
    processes differ from one with twice the batch.
    """
    values = values.detach()
    if _alone or not (distributed.is_available() and distributed.is_initialized()):
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()


@contextmanager
def alone() -> Iterator[None]:
    """Inside, each process takes its own statistics: one process's bad numbers stay there."""
    global _alone
    _alone = True
    try:
        yield
    finally:
        _alone = False
