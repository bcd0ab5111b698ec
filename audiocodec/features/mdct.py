"""Bases of the modified discrete cosine transform (MDCT)."""

import functools
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


@functools.lru_cache(maxsize=4)
def exact_tables(hop_length: int, start: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Synthesis and analysis in float64; made once, for streams take a frame a call.

    Returns:
        the MDCT's basis (hop, 2 * hop), and the columns of cosines and those of sines for
        coefficients from `start` on, (2 * hop, 2 * (hop - start)).
    """
    with torch.inference_mode(False):
        waves = [lapped_basis(hop_length, wave, torch.float64) for wave in (torch.cos, torch.sin)]
        analysis = torch.cat([wave[start:] for wave in waves]).t()
        return waves[0].to(device), analysis.to(device)


def one_period(hop_length: int) -> Tensor:
    """A cosine of 8 * hop samples in float64, scaled as the MDCT is, whose quarters are the same
    digits: what cancels by symmetry does so to the last one.
    """
    quarter = 2 * hop_length
    first = torch.cos(math.pi / 2 / quarter * torch.arange(quarter + 1, dtype=torch.float64))
    first[-1] = 0.0
    half = torch.cat([first, -first[:-1].flip(0)])
    return torch.cat([half, half[1:-1].flip(0)]) * math.sqrt(2 / hop_length)


@functools.lru_cache(maxsize=4)
def rounded_analysis(hop_length: int, device: torch.device) -> Tensor:
    """`exact_tables(hop, 0)[1]` with waves that are rounded to float32 under an exact window.

    Of a constant, exact waves leave nothing but the first coefficient, and what depends on the
    others' logarithms would show how float64 rounds, once samples are as loud as integers that
    nobody scaled. What rounded waves leave is far more, and the same for all.
    """
    with torch.inference_mode(False):
        time = torch.arange(2 * hop_length).unsqueeze(1)
        place = (2 * time + 1 + hop_length) * (2 * torch.arange(hop_length) + 1)
        quarter, period = 2 * hop_length, one_period(hop_length).float().double()
        waves = [period[(place + later) % (4 * quarter)] for later in (0, 3 * quarter)]
        window = torch.sin(math.pi / (2 * hop_length) * (time.double() + 0.5))
        return (window * torch.cat(waves, dim=1)).to(device)
