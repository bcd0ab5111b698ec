"""A codebook basis that never changes: one tensor, shared by every copy of the module."""

import hashlib
from collections.abc import Callable, Iterable
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor

from audiocodec.quantization.basis import basis_digest, gaussian_basis


class FrozenBasis:
    """(K, dim) float32 on some device, made when first used.

    Not a buffer: averages, float64 copies and half-precision casts of a model would each make their
    own of what may be half a gigabyte. Copies of this object are the object itself.
    """

    def __init__(self, make: Callable[[], Tensor], device: torch.device) -> None:
        self._make, self.device = make, device
        self._rows: Tensor | None = None
        self._radius: float | None = None
        self._digest: str | None = None

    def __deepcopy__(self, _memo: dict[int, Any]) -> "FrozenBasis":
        return self

    @property
    def rows(self) -> Tensor:
        if self._rows is None:
            with torch.inference_mode(False):  # training may come to use it
                self._rows = self._make().to(self.device)
        return self._rows

    def to(self, device: torch.device) -> "FrozenBasis":
        """The same basis there; this object if it is there already."""
        return self if self.device == device else FrozenBasis(lambda: self.rows, device)

    @property
    def radius(self) -> float:
        """The largest length of a row."""
        if self._radius is None:
            self._radius = largest_length(self.rows)
        return self._radius

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that name the values."""
        if self._digest is None:
            self._digest = basis_digest(self.rows)
        return self._digest


@cache
def seeded_basis(rows: int, columns: int, seed: int) -> FrozenBasis:
    """The basis of a seed; the same object for the same arguments."""
    return FrozenBasis(partial(gaussian_basis, rows, columns, seed), torch.device("cpu"))


def given_basis(rows: Tensor, device: torch.device) -> FrozenBasis:
    """A basis of known values (K, dim)."""
    return FrozenBasis(lambda: rows, device)


def joint_digest(digests: Iterable[str | None]) -> str | None:
    """One digest for several bases; None if one of them is not from a seed."""
    known = list(digests)
    if None in known:
        return None
    return hashlib.sha256(" ".join(map(str, known)).encode()).hexdigest()[:16]


def largest_length(rows: Tensor) -> float:
    """The largest Euclidean length of a row, rounded up."""
    return float(torch.linalg.vector_norm(rows, dim=1).max()) * (1 + 1e-6)
