"""Two systems on the same utterances: paired differences, with interval and p-value."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audiocodec.errors import DataError
from audiocodec.evaluation.metrics import ABOUT
from audiocodec.evaluation.statistics import cluster_bootstrap, permutation_test
from audiocodec.extras import extra

with extra("eval"):
    import pandas as pd

TIE = 1e-6  # smaller differences count as ties
HARNESS = ("resampler", "rates", "pitch", "metric_files", "versions", "processor")


@dataclass(frozen=True)
class Comparison:
    """B minus A of one metric over the utterances that both have; wins are B's."""

    n: int
    mean_a: float
    mean_b: float
    difference: float
    ci_low: float | None
    ci_high: float | None
    p_value: float  # permutation test by speaker, two-sided
    wins: int
    ties: int
    losses: int


def compare(a: pd.DataFrame, b: pd.DataFrame) -> dict[str, Comparison]:
    """Every metric that both tables have, over the utterances where it is defined in both.

    Raises:
        DataError: the evaluations share no scored utterance.
    """
    shared = a.index.intersection(b.index)
    results = {}
    for name in (column for column in ABOUT if column in a and column in b):
        pairs = pd.DataFrame({"a": a.loc[shared, name], "b": b.loc[shared, name]}).dropna()
        if len(pairs):
            speakers = a.loc[pairs.index, "speaker"].to_numpy(dtype=str)
            results[name] = _compare(pairs, speakers, ABOUT[name].better)
    if not results:
        raise DataError("the evaluations have no scored utterance in common")
    return results


def _compare(pairs: pd.DataFrame, speakers: np.ndarray, better: int) -> Comparison:
    difference = (pairs["b"] - pairs["a"]).to_numpy()
    low, high = cluster_bootstrap(difference, speakers)
    gains = difference * (better or 1)
    return Comparison(
        n=len(pairs),
        mean_a=float(pairs["a"].mean()),
        mean_b=float(pairs["b"].mean()),
        difference=float(difference.mean()),
        ci_low=low,
        ci_high=high,
        p_value=permutation_test(difference, speakers),
        wins=int((gains > TIE).sum()),
        ties=int((np.abs(gains) <= TIE).sum()),
        losses=int((gains < -TIE).sum()),
    )


def harness_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What differs between two stamps that has nothing to do with the systems, one line each."""
    lines = []
    for key in HARNESS:
        one, other = a.get(key), b.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            for name in sorted(one.keys() | other.keys()):
                if one.get(name) != other.get(name):
                    lines.append(f"{key} {name}: {one.get(name)} and {other.get(name)}")
        elif one != other:
            lines.append(f"{key}: {one} and {other}")
    return lines
