"""What is made from weights and kept until one of them changes: the rule of all such caches."""

import zlib
from collections.abc import Callable, Iterable
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

Made = TypeVar("Made")
_INTEGERS = {
    1: torch.int8,
    2: torch.int16,
    4: torch.int32,
    8: torch.int32,
}  # sums of 64 bits would wrap


class WeightCache(Generic[Made]):
    """What was made, and the state of the weights it was made from; a copy starts without."""

    def __init__(self) -> None:
        self._made: tuple[object, Made] | None = None

    def __deepcopy__(self, _memo: dict[int, Any]) -> "WeightCache[Made]":
        return WeightCache()

    def get(self, tensors: Iterable[Tensor], make: Callable[[], Made], key: object = None) -> Made:
        """What `make` makes of `tensors`, which are all that it depends on, but for `key`."""
        state = key, *map(_state, tensors)
        if self._made is None or self._made[0] != state:
            self._made = state, make()
        return self._made[1]


def _state(tensor: Tensor) -> tuple[int, int, int, int]:
    """What changes when a tensor does: its place, how often it was changed in place, its contents.

    Torch does not count changes through `.data`, as averages of weights are often written, and
    none of tensors of inference mode.
    """
    version = -1 if tensor.is_inference() else tensor._version
    return tensor.data_ptr(), version, *_contents(tensor.detach())


def _contents(values: Tensor) -> tuple[int, int]:
    """A checksum on a CPU, where it is three times as fast as sums; elsewhere sums of the bits.

    They are exact and weighted by row and column, so that rows which change places are seen, too.
    """
    if values.device.type == "cpu":
        return zlib.crc32(values.reshape(-1).view(torch.uint8).numpy().data), 0
    bits = values.reshape(-1).view(_INTEGERS[values.element_size()])
    table = bits.view(values.shape[0] if values.dim() > 1 and values.shape[0] else 1, -1)
    sums = [_weighted(table.sum(axis, dtype=torch.int64)) for axis in (0, 1)]
    return sums[0], sums[1]


def _weighted(sums: Tensor) -> int:
    return int((sums * torch.arange(1, len(sums) + 1, device=sums.device)).sum())
