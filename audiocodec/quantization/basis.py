"""The frozen Gaussian basis of SimVQ from a seed, the same on every machine and version.

NumPy promises the raw 64-bit stream of Philox, not that of `standard_normal`. A normal variate is
therefore the sum of twelve uniform 16-bit integers (mean 12 * 32767.5, standard deviation 2**16 to
1e-10), which integer arithmetic makes exact; its fourth moment is 2.9 instead of 3.
"""

import hashlib

import numpy as np
import torch
from torch import Tensor

_ROWS_AT_ONCE = 4096


def gaussian_basis(rows: int, columns: int, seed: int) -> Tensor:
    """(rows, columns) float32, independent N(0, 1 / columns): rows have length near 1.

    Row k does not depend on `rows`, so a smaller codebook is the start of a larger one.
    """
    generator = np.random.Philox(key=seed)
    basis = np.empty((rows, columns), dtype=np.float32)
    for start in range(0, rows, _ROWS_AT_ONCE):
        count = min(_ROWS_AT_ONCE, rows - start)
        words = np.asarray(generator.random_raw(count * columns * 3), dtype="<u8")
        uniforms = words.view("<u2").reshape(count, columns, 12)
        sums = uniforms.sum(-1, dtype=np.int32) - np.int32(6 * 65535)
        basis[start : start + count] = sums.astype(np.float32) / np.float32(65536 * columns**0.5)
    return torch.from_numpy(basis)


def basis_digest(basis: Tensor) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the basis as little-endian float32."""
    return hashlib.sha256(basis.cpu().numpy().astype("<f4").tobytes()).hexdigest()[:16]
