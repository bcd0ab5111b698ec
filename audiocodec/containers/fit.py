"""Entropy tables from codes: classes of codes with similar successors, and how to weigh them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from audiocodec.containers.tables import (
    MAX_CODEBOOK_SIZE,
    STEPS_PER_OCTAVE,
    EntropyTables,
)
from audiocodec.errors import CodeFileError

# Classes of the best source, of the second and the third. The first stages can be predicted most;
# what each of those that follow gains from finer classes is less than 0.1 %.
_FIRST_STAGES, _FINE, _COARSE = 3, (96, 48, 48), (24, 16, 16)
_SMOOTHING = 0.4  # counts a code that every class starts with, as the stage has them overall
_ITERATIONS = 15  # of clustering
_SAMPLES = 2048  # codes that weights are fitted to
_NEWTON_STEPS = 4
_MAX_WEIGHT = 4.0  # what a source tells for sure would drive its weight up for ever


def fit_tables(
    sequences: Sequence[np.ndarray],
    codebook_sizes: Sequence[int],
    classes: Sequence[int] | None = None,
) -> EntropyTables:
    """Tables for codes like `sequences`, each (num_quantizers, frames).

    Args:
        classes: at most how many each of the three sources has; by default as many as pay.

    Raises:
        CodeFileError: no codes, or codebooks too large for tables.
    """
    if not sequences or max(codebook_sizes) > MAX_CODEBOOK_SIZE:
        raise CodeFileError(
            f"entropy tables need codes of codebooks of at most {MAX_CODEBOOK_SIZE} codes; found "
            f"{len(sequences)} of {max(codebook_sizes)}"
        )
    codes = np.concatenate(sequences, axis=1).astype(np.int64)
    frame = np.concatenate([np.arange(sequence.shape[1]) for sequence in sequences])
    stages = [
        _Stage(codes, frame, stage, codebook_sizes).fit(
            classes or (_FINE if stage < _FIRST_STAGES else _COARSE)
        )
        for stage in range(len(codes))
    ]
    sources, labels, logs = zip(*stages, strict=True)
    return EntropyTables(sources, labels, logs)


class _Expert(NamedTuple):
    """What one source says: the class of each of its codes, and log p(code | class) / p(code)."""

    labels: np.ndarray
    ratios: np.ndarray


class _Stage:
    """The codes of a stage and all that may be known before."""

    def __init__(
        self, codes: np.ndarray, frame: np.ndarray, stage: int, codebook_sizes: Sequence[int]
    ) -> None:
        self.codes, self.frame, self.stage = codes, frame, stage
        self.sizes, self.size = codebook_sizes, codebook_sizes[stage]
        counts = np.bincount(codes[stage], minlength=self.size)
        self.overall = _normalize(counts + 0.5)
        every = max(1, len(frame) // _SAMPLES)
        self.samples = np.arange(every // 2, len(frame), every)

    def candidates(self) -> list[tuple[int, int]]:
        """Sources worth trying: the last and the first stage of this frame, frames before."""
        pairs = [(0, self.stage - 1), (0, 0), (1, self.stage), (1, 0), (2, self.stage), (3, 0)]
        return [(d, s) for d, s in dict.fromkeys(pairs) if 0 <= s < self.stage + d]

    def fit(
        self, classes: Sequence[int]
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
        """Sources, classes and logs, as `EntropyTables` has them; sources are added greedily."""
        chosen: dict[tuple[int, int], _Expert] = {}
        weights = np.zeros(0)
        for wanted in classes:
            tried = []
            for source in self.candidates():
                if source not in chosen:
                    expert = self._expert(source, wanted)
                    tried.append(
                        (*self._weigh([*chosen.items(), (source, expert)]), source, expert)
                    )
            _, weights, source, expert = min(tried, key=lambda entry: entry[0])
            chosen[source] = expert
        prior = np.log(self.overall * self.size)
        logs = [
            weight * expert.ratios for weight, expert in zip(weights, chosen.values(), strict=True)
        ]
        logs[0] = logs[0] + prior
        return (
            np.array(list(chosen), dtype=np.uint8),
            tuple(expert.labels.astype(np.uint8) for expert in chosen.values()),
            tuple(_rounded(part) for part in logs),
        )

    def _known(self, source: tuple[int, int], at: np.ndarray | None = None) -> np.ndarray:
        """Code + 1 of a source for every code of this stage (or those `at`), 0 for none."""
        delay, stage = source
        index = np.arange(len(self.frame)) if at is None else at
        before = self.codes[stage, np.maximum(index - delay, 0)]
        return np.where(self.frame[index] >= delay, before + 1, 0)

    def _expert(self, source: tuple[int, int], wanted: int) -> _Expert:
        rows = self.sizes[source[1]] + 1
        both = self._known(source) * self.size + self.codes[self.stage]
        counts = np.bincount(both, minlength=rows * self.size).reshape(rows, self.size)
        smoothing = _SMOOTHING * self.size * self.overall
        labels = _cluster(counts.astype(np.float64), smoothing, min(wanted, rows))
        totals = _one_hot(labels) @ counts
        return _Expert(labels, np.log(_normalize(totals + smoothing) / self.overall))

    def _weigh(
        self, experts: Sequence[tuple[tuple[int, int], _Expert]]
    ) -> tuple[float, np.ndarray]:
        """Nats a code and weights of `experts` in a sum of logarithms, by Newton's method.

        The cost of a log-linear model is convex, so that a few steps suffice.
        """
        says = [
            expert.ratios[expert.labels[self._known(source, self.samples)]]
            for source, expert in experts
        ]
        features = np.stack(says)  # (experts, samples, codes)
        code = self.codes[self.stage, self.samples]
        wanted = features[:, np.arange(len(code)), code].mean(1)
        weights = np.full(len(experts), 1 / len(experts))
        for _ in range(_NEWTON_STEPS):
            logits = np.log(self.overall) + np.tensordot(weights, features, 1)
            logits -= logits.max(1, keepdims=True)
            probabilities = np.exp(logits)
            totals = probabilities.sum(1, keepdims=True)
            probabilities /= totals
            means = np.einsum("jnk,nk->jn", features, probabilities)
            scaled = (features - means[..., None]) * np.sqrt(probabilities)
            curvature = np.tensordot(scaled, scaled, ([1, 2], [1, 2])) / len(code)
            curvature += 1e-6 * np.eye(len(experts))
            cost = float(np.log(totals).mean() - logits[np.arange(len(code)), code].mean())
            weights = weights + np.linalg.solve(curvature, wanted - means.mean(1))
            weights = weights.clip(-_MAX_WEIGHT, _MAX_WEIGHT)
        return cost, weights


def _cluster(counts: np.ndarray, smoothing: np.ndarray, num_classes: int) -> np.ndarray:
    """Class of each row of `counts`: k-means under the cost in bits of one code for all of a class.

    The most frequent rows are the first centres; `smoothing` is added to what is counted.
    """
    frequent = np.argsort(-counts.sum(1), kind="stable")[:num_classes]
    centres = _normalize(counts[frequent] + smoothing)
    for _ in range(_ITERATIONS):
        labels = np.unique((counts @ np.log(centres).T).argmax(1), return_inverse=True)[1]
        centres = _normalize(_one_hot(labels) @ counts + smoothing)
    return np.asarray(labels)


def _one_hot(labels: np.ndarray) -> np.ndarray:
    """(classes, rows) float64."""
    return np.asarray(labels == np.arange(labels.max() + 1)[:, None], dtype=np.float64)


def _normalize(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / rows.sum(-1, keepdims=True))


def _rounded(logs: np.ndarray) -> np.ndarray:
    """Natural logarithms in eighths of an octave."""
    return np.clip(np.rint(logs * (STEPS_PER_OCTAVE / np.log(2))), -128, 127).astype(np.int8)
