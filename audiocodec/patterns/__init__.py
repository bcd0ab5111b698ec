"""Codes of several codebooks as tokens of a language model, and back.

A pattern says in which order the codes of a recording come, and which integers stand for them:

>>> import numpy as np
>>> from audiocodec.patterns import Delayed, Flattened
>>> codes = np.array([[1, 2, 3], [4, 5, 6]])  # (num_quantizers, frames)
>>> Flattened([10, 10]).apply(codes)  # the second stage has the numbers 10 to 19
array([ 1, 14,  2, 15,  3, 16])
>>> delayed = Delayed([10, 10])
>>> delayed.apply(codes)  # 10 is the padding
array([[ 1,  2,  3, 10],
       [10,  4,  5,  6]])
>>> delayed.whole_frames([[1, 2, 3], [10, 4, 5]])  # what a model has generated so far
array([[1, 2],
       [4, 5]])

NumPy arrays give NumPy arrays, and torch tensors give tensors; torch is not imported here.
"""

from collections.abc import Sequence
from typing import Any

from audiocodec.errors import ConfigError
from audiocodec.patterns.base import Pattern
from audiocodec.patterns.rows import Delayed, Parallel
from audiocodec.patterns.sequences import CoarseFirst, Flattened

__all__ = ["PATTERNS", "CoarseFirst", "Delayed", "Flattened", "Parallel", "Pattern", "pattern_of"]

PATTERNS: dict[str, type[Pattern]] = {
    "flattened": Flattened,
    "delayed": Delayed,
    "coarse_first": CoarseFirst,
    "parallel": Parallel,
}


def pattern_of(kind: str, codebook_sizes: Sequence[int], **options: Any) -> Pattern:
    """The pattern of one of `PATTERNS`.

    Raises:
        ConfigError: no such kind, or sizes and options that cannot be.

    >>> from audiocodec.patterns import pattern_of
    >>> pattern_of("delayed", [1024] * 4).vocabulary_size
    1027
    """
    if kind not in PATTERNS:
        raise ConfigError(f"unknown pattern {kind!r}; there are {', '.join(PATTERNS)}")
    return PATTERNS[kind](codebook_sizes, **options)
