"""Unigrams and bigrams of the codes of each stage: what a language model must do better than."""

from collections.abc import Sequence

import numpy as np

_ROUNDS = 30  # of expectation maximisation


class Bigrams:
    """Codes given the code before in the same stage, interpolated with unigrams, and those with
    equal chances for all.

    The weights are the most likely ones for training codes that are left out of the counts one by
    one (Jelinek and Mercer 1980), so that what is rare does not count for too much.

    Args:
        sequences: codes (frames,) of recordings, of one stage.
    """

    def __init__(self, sequences: Sequence[np.ndarray], size: int) -> None:
        self.size = size
        every = np.concatenate(sequences)
        self.counts = np.bincount(every, minlength=size)
        before = np.concatenate([s[:-1] for s in sequences])
        after = np.concatenate([s[1:] for s in sequences])
        self.pairs, self.pair_counts = np.unique(before * size + after, return_counts=True)
        self.befores = np.bincount(before, minlength=size)
        single = (self.counts[every] - 1) / max(1, len(every) - 1)
        self.unigram_weight = _weight(single, np.full(len(every), 1 / size))
        seen = np.maximum(self.befores[before] - 1, 1)
        pair = (self._pair_counts(before, after) - 1) / seen
        self.bigram_weight = _weight(pair, self.unigram(after))

    def unigram(self, codes: np.ndarray) -> np.ndarray:
        """The chance of each code."""
        share = self.counts[codes] / self.counts.sum()
        return self.unigram_weight * share + (1 - self.unigram_weight) / self.size

    def bigram(self, codes: np.ndarray) -> np.ndarray:
        """The chance of each code (frames,) given the one before; of the first by itself."""
        return np.concatenate([self.unigram(codes[:1]), self._after(codes[:-1], codes[1:])])

    def follows(self, before: int) -> np.ndarray:
        """The chances (size,) of all codes behind one."""
        return self._after(np.full(self.size, before), np.arange(self.size))

    def _after(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        seen = self.befores[before]
        share = self._pair_counts(before, after) / np.maximum(seen, 1)
        weight = np.where(seen > 0, self.bigram_weight, 0)
        return weight * share + (1 - weight) * self.unigram(after)

    def _pair_counts(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        keys = before * self.size + after
        at = np.minimum(np.searchsorted(self.pairs, keys), len(self.pairs) - 1)
        return np.where(self.pairs[at] == keys, self.pair_counts[at], 0)


def _weight(first: np.ndarray, second: np.ndarray) -> float:
    """The most likely weight of `first` in a mixture of the two chances of what was observed."""
    weight = 0.5
    for _ in range(_ROUNDS):
        mixed = weight * first + (1 - weight) * second
        weight = float(np.mean(weight * first / mixed))
    return weight
