"""How many samples a signal has at another rate: the one rule of all files and models."""

from typing import TypeVar

import numpy as np

Length = TypeVar("Length", int, np.ndarray)


def resampled_length(num_samples: Length, from_rate: int, to_rate: int) -> Length:
    """Samples at `to_rate` that cover `num_samples` at `from_rate` (both in Hz), rounded up."""
    return -(-num_samples * to_rate // from_rate)
