"""What a quantizer in use searches, kept until a weight that it was made from changes."""

from collections.abc import Callable, Iterable
from typing import Any

from torch import Tensor

from audiocodec.quantization.search import Codebook

SUMMED = 2**20  # numbers of a tensor whose sum tells a change


class CodebookCache:
    """A codebook and the state of what it was made from; a copy of a module starts without."""

    def __init__(self) -> None:
        self._made: tuple[object, Codebook] | None = None

    def __deepcopy__(self, _memo: dict[int, Any]) -> "CodebookCache":
        return CodebookCache()

    def get(self, tensors: Iterable[Tensor], make: Callable[[], Codebook]) -> Codebook:
        """The codebook that `make` makes of `tensors`, which are all that it depends on."""
        versions = tuple(map(_state, tensors))
        if self._made is None or self._made[0] != versions:
            self._made = versions, make()
        return self._made[1]


def _state(tensor: Tensor) -> tuple[int, int, float]:
    """What changes when a tensor does: its place, how often it was changed in place, its sum.

    Torch does not count changes through `.data`, as averages of weights are often written, and
    none of tensors of inference mode. Of whole codebooks the sum would take too long.
    """
    version = -1 if tensor.is_inference() else tensor._version
    total = float(tensor.detach().sum()) if tensor.numel() <= SUMMED else 0.0
    return tensor.data_ptr(), version, total
