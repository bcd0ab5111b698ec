"""Patterns that keep a row of tokens for each stage, so that a step predicts one of each."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from audiocodec.errors import ConfigError
from audiocodec.patterns.base import BOS, EOS, PAD, Pattern


class Delayed(Pattern):
    """Stage q is q steps late, so that a step knows the coarser codes of its frames (MusicGen,
    arXiv:2306.05284).

    frames + (num_quantizers - 1) * delay columns; what a row has no codes for is padding. With
    `eos` each row ends in one, right behind its last code, and there is a column more.

    Args:
        delay: steps between a stage and the next.
    """

    flat = False

    def __init__(self, codebook_sizes: Sequence[int], first: int = 0, delay: int = 1) -> None:
        super().__init__(codebook_sizes, first)
        if delay < 0:
            raise ConfigError(f"a delay of {delay} steps; give 0 or more")
        self.delay = delay

    def length(self, num_frames: int, bos: bool = False, eos: bool = False) -> int:
        late = (self.num_quantizers - 1) * self.delay if num_frames or eos else 0
        return num_frames + late + bos + eos

    def positions(self, num_frames: int, bos: bool = False, eos: bool = False) -> np.ndarray:
        table = np.full((self.num_quantizers, self.length(num_frames, bos, eos)), PAD)
        table[:, : int(bos)] = BOS
        for stage, row in enumerate(table):
            begin = bos + stage * self.delay
            row[begin : begin + num_frames] = stage * num_frames + np.arange(num_frames)
            row[begin + num_frames : begin + num_frames + eos] = EOS
        return table.astype(np.int64)

    def prefix(self, codes: Any, bos: bool = False) -> Any:
        return self.apply(codes, bos)[..., : np.shape(codes)[-1] + bos]

    def _runs(self, tokens: np.ndarray) -> list[np.ndarray]:
        runs = []
        for stage, size in enumerate(self.codebook_sizes):
            row = tokens[stage, stage * self.delay :]
            special = (row < self.first) | (row >= self.first + size)
            runs.append(row[: int(special.argmax())] if special.any() else row)
        return runs

    def _allowed(self, tokens: np.ndarray) -> np.ndarray:
        mask = np.zeros((self.num_quantizers, self.vocabulary_size), dtype=bool)
        steps = tokens.shape[1]
        counts = [len(run) for run in self._runs(tokens)]
        frames = counts[0] if counts[0] < steps else steps + 1  # known once the first row has ended
        for stage, row in enumerate(mask):
            step = steps - stage * self.delay  # of this row
            if step < 0 or counts[stage] < step:
                row[self.pad] = True
            elif step >= frames:
                row[self.eos] = True
            else:
                self._mark_codes(row, stage)
                row[self.eos] = step > 0 and (stage == 0 or self.delay == 0)
        return mask


class Parallel(Delayed):
    """All codes of a frame in one step, which does not know the coarser ones when it predicts the
    finer.

    frames columns.
    """

    def __init__(self, codebook_sizes: Sequence[int], first: int = 0) -> None:
        super().__init__(codebook_sizes, first, delay=0)
