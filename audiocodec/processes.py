"""Statistics of a batch that is spread over the processes of a run."""

import torch
from torch import Tensor, distributed


def mean_over_processes(values: Tensor) -> Tensor:
    """The mean of `values` over all processes, without gradient; `values` where there is but one.

    Every process must get here: what divides by a statistic of the batch would otherwise make two
    processes differ from one with twice the batch.
    """
    values = values.detach()
    if not (distributed.is_available() and distributed.is_initialized()):
        return values
    total = values.clone()
    distributed.all_reduce(total)
    return total / distributed.get_world_size()


def any_process(flags: list[bool], device: torch.device) -> list[bool]:
    """Which flags are set in one process or more; all processes get the same answer."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return flags
    shares = mean_over_processes(torch.tensor(flags, dtype=torch.float32, device=device))
    return [share > 0 for share in shares.tolist()]
