"""A codebook basis that never changes: one tensor, shared by every copy of the module."""

import hashlib
from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from audiocodec.quantization.basis import basis_digest, gaussian_basis


class FrozenBasis:
    """(K, dim) float32 on some device.

    Not a buffer: averages, float64 copies and half-precision casts of a model would each make their
    own of what may be half a gigabyte. Copies of this object are the object itself.
    """

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self._radius: float | None = None
        self._digest: str | None = None

    def __deepcopy__(self, _memo: dict[int, Any]) -> "FrozenBasis":
        return self

    def to(self, device: torch.device) -> "FrozenBasis":
        """The same basis there; this object if it is there already."""
        return self if self.rows.device == device else FrozenBasis(self.rows.to(device))

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
    return FrozenBasis(gaussian_basis(rows, columns, seed))


def joint_digest(digests: Iterable[str | None]) -> str | None:
    """One digest for several bases; None if one of them is not from a seed."""
    known = list(digests)
    if None in known:
        return None
    return hashlib.sha256(" ".join(map(str, known)).encode()).hexdigest()[:16]


def largest_length(rows: Tensor) -> float:
    """The largest Euclidean length of a row, rounded up."""
    return float(torch.linalg.vector_norm(rows, dim=1).max()) * (1 + 1e-6)
