"""What all patterns share: the numbers that stand for codes, and both directions."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod
from typing import Any, ClassVar

import numpy as np

from audiocodec.errors import CodecError, ConfigError

PAD, EOS, BOS = -1, -2, -3  # in a table of positions


class Pattern(ABC):
    """An order of the codes of a recording, and the integers that stand for them.

    Codes are (..., num_quantizers, frames). Tokens are (..., length) if the pattern is `flat`,
    with numbers of its own for each stage; else (..., num_quantizers, length), where all stages
    have the same numbers and a model has an embedding and an output for each. After the codes come
    the numbers `pad`, `bos` and `eos`: `vocabulary_size` is one more than the last.

    Args:
        codebook_sizes: one for each stage, coarse to fine.
        first: the number of the first code, to leave room before it, as for the tokens of text.

    Raises:
        ConfigError: sizes that cannot be.
    """

    flat: ClassVar[bool]

    def __init__(self, codebook_sizes: Sequence[int], first: int = 0) -> None:
        sizes = tuple(map(int, codebook_sizes))
        if not sizes or min(sizes) < 1 or first < 0:
            raise ConfigError(
                f"codebook sizes {list(codebook_sizes)} from {first}: give at least one size of 1 "
                "or more, and a first number of 0 or more"
            )
        self.codebook_sizes, self.first = sizes, first
        self.num_quantizers = len(sizes)
        ends = np.cumsum(sizes) if self.flat else np.array(sizes)
        self.starts = first + (ends - sizes)  # the number of code 0 of each stage
        self.pad = first + int(ends.max())
        self.bos, self.eos = self.pad + 1, self.pad + 2
        self.vocabulary_size = self.pad + 3

    @abstractmethod
    def positions(self, num_frames: int, bos: bool = False, eos: bool = False) -> np.ndarray:
        """Where each token of a sequence comes from: stage * num_frames + frame, or PAD, BOS, EOS.

        (length,) if the pattern is flat, else (num_quantizers, length).
        """

    @abstractmethod
    def length(self, num_frames: int, bos: bool = False, eos: bool = False) -> int:
        """Tokens, or columns of tokens, of so many frames."""

    @abstractmethod
    def _runs(self, tokens: np.ndarray) -> list[np.ndarray]:
        """The codes of each stage that a sequence without its bos has, up to the first misfit."""

    @abstractmethod
    def _allowed(self, tokens: np.ndarray) -> np.ndarray:
        """`allowed` of a sequence without its bos."""

    @abstractmethod
    def prefix(self, codes: Any, bos: bool = False) -> Any:
        """The tokens that all recordings which begin with these codes begin with: a prompt.

        Shorter than `apply` where later frames come between these (`delayed`: the last frames are
        without their fine codes; `coarse_first`: the first group alone).
        """

    def apply(self, codes: Any, bos: bool = False, eos: bool = False) -> Any:
        """Tokens (int64) of codes.

        Args:
            bos, eos: mark the beginning and the end.

        Raises:
            CodecError: codes of another shape, or outside of their codebooks.
        """
        array = self._checked(codes)
        shifted = (array + self.starts[:, None]).reshape(*array.shape[:-2], -1)
        marks = np.broadcast_to([self.bos, self.eos, self.pad], (*array.shape[:-2], 3))
        table = self.positions(array.shape[-1], bos, eos)
        return _like(codes, np.concatenate([shifted, marks], axis=-1)[..., table])

    def invert(self, tokens: Any) -> Any:
        """Codes (int64) of whole sequences; the inverse of `apply`, with or without bos and eos.

        Padding behind a sequence is left out.

        Raises:
            CodecError: not what `apply` gives, or sequences of different lengths.
        """
        array = self._tokens(tokens, batch=True)
        shape = array.shape[: array.ndim - (1 if self.flat else 2)]
        flat = array.reshape(prod(shape), *array.shape[len(shape) :])
        rows = [self._inverse(row) for row in flat]
        if len({row.shape for row in rows}) > 1:
            raise CodecError("sequences of different numbers of frames; invert them one by one")
        stages = rows[0] if rows else np.zeros((self.num_quantizers, 0), dtype=np.int64)
        return _like(tokens, np.reshape(rows, (*shape, *stages.shape)).astype(np.int64))

    def _inverse(self, tokens: np.ndarray) -> np.ndarray:
        padding: np.ndarray = (np.atleast_2d(tokens) == self.pad).all(axis=0)
        tokens = tokens[..., : tokens.shape[-1] - _trailing(padding)]
        codes = self.whole_frames(tokens)
        bos = self._starts_with_bos(tokens)
        for eos in (False, True):
            if np.array_equal(self.apply(codes, bos, eos), tokens):
                return np.asarray(codes)
        raise CodecError(
            f"no whole sequence of the pattern {type(self).__name__}: {codes.shape[-1]} whole "
            f"frames, but {tokens.shape[-1]} tokens; whole_frames gives what there is"
        )

    def whole_frames(self, tokens: Any, num_quantizers: int | None = None) -> Any:
        """Codes (num_quantizers, frames) of the frames that one sequence, which may have been cut
        anywhere, has in full: what a language model has generated so far.

        Reading ends at the first token that cannot stand where it is.

        Args:
            num_quantizers: how many stages a frame must have; None for all.

        Raises:
            CodecError: tokens of another shape.
        """
        array = self._tokens(tokens)
        stages = self._runs(array[..., int(self._starts_with_bos(array)) :])
        stages = stages[: self.num_quantizers if num_quantizers is None else num_quantizers]
        frames = min(map(len, stages))
        codes = np.stack([stage[:frames] for stage in stages])
        return _like(tokens, codes - self.starts[: len(stages), None])

    def allowed(self, tokens: Any) -> Any:
        """Which numbers may come next after one sequence: bool (vocabulary_size,) or
        (num_quantizers, vocabulary_size), to sample from nothing else.

        Raises:
            CodecError: not the beginning of a sequence.
        """
        array = self._tokens(tokens)
        return _like(tokens, self._allowed(array[..., int(self._starts_with_bos(array)) :]))

    def _starts_with_bos(self, tokens: np.ndarray) -> bool:
        return bool(tokens.shape[-1] and (tokens[..., 0] == self.bos).all())

    def _mark_codes(self, mask: np.ndarray, stage: int) -> None:
        mask[self.starts[stage] : self.starts[stage] + self.codebook_sizes[stage]] = True

    def _checked(self, codes: Any) -> np.ndarray:
        array = _numpy(codes)
        if array.ndim < 2 or array.shape[-2] != self.num_quantizers:
            raise CodecError(
                f"codes of shape {array.shape}; this pattern takes (..., {self.num_quantizers}, "
                "frames)"
            )
        bad = (array < 0) | (array >= np.array(self.codebook_sizes)[:, None])
        if bad.any():
            stage = int(np.argwhere(bad)[0][-2])
            raise CodecError(
                f"stage {stage} has codes outside its codebook, 0 to "
                f"{self.codebook_sizes[stage] - 1}"
            )
        return array

    def _tokens(self, tokens: Any, batch: bool = False) -> np.ndarray:
        array = _numpy(tokens)
        ndim = 1 if self.flat else 2
        rows = self.flat or array.shape[-2:-1] == (self.num_quantizers,)
        if array.ndim < ndim or (array.ndim > ndim and not batch) or not rows:
            shape = "(length,)" if self.flat else f"({self.num_quantizers}, length)"
            raise CodecError(f"tokens of shape {array.shape}; this pattern has {shape}")
        return array


def _numpy(values: Any) -> np.ndarray:
    """int64; a tensor comes from wherever it is."""
    array = np.asarray(values.detach().cpu().numpy() if _is_tensor(values) else values)
    if array.dtype.kind not in "iu" and array.size:
        raise CodecError(f"values of type {array.dtype}; tokens and codes are integers")
    return array.astype(np.int64)


def _like(given: Any, array: np.ndarray) -> Any:
    """A tensor on the device of `given` if that is one, else the array."""
    if not _is_tensor(given):
        return array
    return sys.modules["torch"].from_numpy(np.ascontiguousarray(array)).to(given.device)


def _is_tensor(values: Any) -> bool:
    torch = sys.modules.get("torch")  # who has a tensor has imported it
    return torch is not None and isinstance(values, torch.Tensor)


def _trailing(flags: np.ndarray) -> int:
    """How many of the last are true."""
    return len(flags) if flags.all() else int(flags[::-1].argmin())
