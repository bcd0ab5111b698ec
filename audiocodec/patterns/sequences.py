"""Patterns that make one sequence of all codes."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from audiocodec.errors import CodecError, ConfigError
from audiocodec.patterns.base import BOS, EOS, Pattern


class CoarseFirst(Pattern):
    """Coarse codes of the whole recording before the fine ones, group by group of stages.

    Within a group frame by frame. Groups of one stage each, the default, are the order of VALL-E
    (arXiv:2301.02111); AudioLM (arXiv:2209.03143) has a coarse and a fine group of several each.
    num_quantizers * frames tokens. Numbers tell the stage, so that no mark is needed between
    groups.

    Args:
        groups: stages in each group, coarse to fine; None for one each.
    """

    flat = True

    def __init__(
        self, codebook_sizes: Sequence[int], first: int = 0, groups: Sequence[int] | None = None
    ) -> None:
        super().__init__(codebook_sizes, first)
        groups = [1] * self.num_quantizers if groups is None else list(groups)
        if sum(groups) != self.num_quantizers or min(groups) < 1:
            raise ConfigError(
                f"groups {groups} of {self.num_quantizers} stages: give numbers of 1 or more that "
                "add up to the stages"
            )
        self.bounds = list(pairwise(accumulate(groups, initial=0)))  # first stage, one behind last

    def length(self, num_frames: int, bos: bool = False, eos: bool = False) -> int:
        return self.num_quantizers * num_frames + bos + eos

    def positions(self, num_frames: int, bos: bool = False, eos: bool = False) -> np.ndarray:
        table = np.arange(self.num_quantizers * num_frames).reshape(self.num_quantizers, num_frames)
        parts = [table[a:b].T.ravel() for a, b in self.bounds]
        return np.concatenate([[BOS] * int(bos), *parts, [EOS] * int(eos)]).astype(np.int64)

    def prefix(self, codes: Any, bos: bool = False) -> Any:
        tokens = self.apply(codes, bos)
        return tokens[..., : self.bounds[0][1] * np.shape(codes)[-1] + bos]

    def _runs(self, tokens: np.ndarray) -> list[np.ndarray]:
        stages = np.searchsorted(self.starts, tokens, side="right") - 1
        stages[(tokens < self.first) | (tokens >= self.pad)] = -1
        runs = [tokens[:0]] * self.num_quantizers
        begin, most = 0, len(tokens)
        for first, behind in self.bounds:
            width = behind - first
            part = stages[begin : begin + most * width]
            count = _leading(part == first + np.arange(len(part)) % width)
            for stage in range(first, behind):
                runs[stage] = tokens[begin : begin + count][stage - first :: width]
            if first == 0:
                most = count // width
            if count != most * width:
                break
            begin += count
        return runs

    def _allowed(self, tokens: np.ndarray) -> np.ndarray:
        mask = np.zeros(self.vocabulary_size, dtype=bool)
        counts = [len(run) for run in self._runs(tokens)]
        rest = tokens[sum(counts) :]
        if len(rest):
            if rest[0] != self.eos or counts[-1] != counts[0] or (rest[1:] != self.pad).any():
                raise CodecError(f"token {sum(counts)}, {rest[0]}, cannot stand where it is")
            mask[self.pad] = True
            return mask
        first, behind = [bound for bound in self.bounds if counts[bound[0]] or bound[0] == 0][-1]
        group = counts[first:behind]
        if group[0] > group[-1]:  # within a frame
            self._mark_codes(mask, first + group.index(group[-1]))
            return mask
        if first == 0 or group[0] < counts[0]:  # another frame of the group
            self._mark_codes(mask, first)
        if 0 < counts[0] == group[0]:  # it may be complete
            if behind < self.num_quantizers:
                self._mark_codes(mask, behind)
            else:
                mask[self.eos] = True
        return mask


class Flattened(CoarseFirst):
    """All codes of a frame, coarse to fine, then those of the next frame.

    num_quantizers * frames tokens.
    """

    def __init__(self, codebook_sizes: Sequence[int], first: int = 0) -> None:
        super().__init__(codebook_sizes, first, groups=[len(codebook_sizes)])


def _leading(flags: np.ndarray) -> int:
    """How many of the first are true."""
    return len(flags) if flags.all() else int(flags.argmin())
