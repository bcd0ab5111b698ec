"""PyTorch's number of threads, which is one for the whole process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """Compute with `count` threads, or with as many as there are; restored at the end."""
    former = torch.get_num_threads()
    torch.set_num_threads(former if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(former)
