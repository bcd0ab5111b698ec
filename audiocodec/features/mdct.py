"""Bases of the modified discrete cosine transform (MDCT)."""

import math
from collections.abc import Callable

import torch
from torch import Tensor


def mdct_basis(hop_length: int) -> Tensor:
    """Windowed orthonormal MDCT: row k is coefficient k's waveform of 2 * hop_length samples.

    With the sine window, analysis and synthesis by these rows reconstruct exactly (Princen,
    Johnson and Bradley 1987).
    """
    return lapped_basis(hop_length, torch.cos)


def lapped_basis(
    hop_length: int, wave: Callable[[Tensor], Tensor], dtype: torch.dtype = torch.float32
) -> Tensor:
    """The MDCT's rows of cosines; of sines, those that complete them to a complex spectrum."""
    time = torch.arange(2 * hop_length, dtype=torch.float64)
    frequency = torch.arange(hop_length, dtype=torch.float64).unsqueeze(1)
    window = torch.sin(math.pi / (2 * hop_length) * (time + 0.5))
    phase = math.pi / hop_length * (time + 0.5 + hop_length / 2) * (frequency + 0.5)
    return (window * wave(phase) * math.sqrt(2 / hop_length)).to(dtype)
