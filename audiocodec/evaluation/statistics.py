"""Means with confidence intervals, and tests, over utterances that are grouped by speaker."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from audiocodec.extras import extra

with extra("eval"):
    from scipy.stats import norm, t

RESAMPLES = 2000
FLIPS = 10_000
Interval: TypeAlias = "tuple[float, float] | tuple[None, None]"  # None: it cannot be known
_BLOCK = 4_000_000  # random numbers at once


@dataclass(frozen=True)
class Summary:
    """One metric over the utterances it is defined for."""

    mean: float
    ci_low: float | None  # None: of one utterance
    ci_high: float | None
    median: float
    n_ok: int
    n_failed: int


def summarise(values: np.ndarray, speakers: np.ndarray, seed: int = 0) -> Summary | None:
    """Summary of `values` (utterances,), NaN where undefined; None if nothing is defined."""
    defined = np.isfinite(values)
    if not defined.any():
        return None
    low, high = cluster_bootstrap(values[defined], speakers[defined], seed)
    return Summary(
        mean=float(values[defined].mean()),
        ci_low=low,
        ci_high=high,
        median=float(np.median(values[defined])),
        n_ok=int(defined.sum()),
        n_failed=int((~defined).sum()),
    )


def cluster_bootstrap(
    values: np.ndarray, clusters: np.ndarray, seed: int = 0, resamples: int = RESAMPLES
) -> Interval:
    """95 % interval of the mean when whole clusters are drawn with replacement; none of one value.

    The percentiles are those of the expanded percentile interval (Hesterberg 2015, "What teachers
    should know about the bootstrap"), which covers also when clusters are few. One cluster alone
    says nothing about others; then single values are drawn.
    """
    sums, sizes = _per_cluster(values, clusters)
    if len(sums) == 1:
        sums, sizes = values, np.ones(len(values))
    n = len(sums)
    if n == 1:
        return None, None
    random = np.random.default_rng(seed)
    means = []
    for rows in _blocks(resamples, n):
        draws = random.integers(n, size=(rows, n))
        means.append(sums[draws].sum(1) / sizes[draws].sum(1))
    tail = norm.cdf(-np.sqrt(n / (n - 1)) * t.ppf(0.975, n - 1))
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)


def permutation_test(differences: np.ndarray, clusters: np.ndarray, seed: int = 0) -> float:
    """Two-sided p-value of paired differences: how often is the sum as far from 0 when the sign of
    each cluster is drawn by lot?
    """
    sums, _ = _per_cluster(differences, clusters)
    observed = abs(sums.sum())
    random = np.random.default_rng(seed)
    extreme = 0
    for rows in _blocks(FLIPS, len(sums)):
        signs = 1.0 - 2.0 * random.integers(2, size=(rows, len(sums)))
        extreme += int((np.abs(signs @ sums) >= observed * (1 - 1e-12)).sum())
    return (1 + extreme) / (1 + FLIPS)


def _per_cluster(values: np.ndarray, clusters: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    _, membership = np.unique(clusters, return_inverse=True)
    return np.bincount(membership, values), np.bincount(membership).astype(float)


def _blocks(total: int, width: int) -> Iterator[int]:
    """Numbers of rows that add up to `total`, so many at once that memory stays bounded."""
    rows = max(1, _BLOCK // width)
    yield from [rows] * (total // rows)
    if total % rows:
        yield total % rows
