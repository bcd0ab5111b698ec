"""Means with confidence intervals over utterances that are grouped by speaker."""

from dataclasses import dataclass

import numpy as np

RESAMPLES = 2000


@dataclass(frozen=True)
class Summary:
    """One metric over the utterances it is defined for."""

    mean: float
    ci_low: float
    ci_high: float
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
) -> tuple[float, float]:
    """95 % percentile interval of the mean when whole clusters are drawn with replacement."""
    _, membership = np.unique(clusters, return_inverse=True)
    sums = np.bincount(membership, values)
    sizes = np.bincount(membership)
    draws = np.random.default_rng(seed).integers(len(sums), size=(resamples, len(sums)))
    means = sums[draws].sum(1) / sizes[draws].sum(1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)
