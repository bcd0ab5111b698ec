"""Two systems on the same utterances: paired differences, with interval and p-value."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import wilcoxon

from audiocodec.errors import DataError
from audiocodec.evaluation.metrics import METRICS
from audiocodec.evaluation.statistics import cluster_bootstrap

TIE = 1e-6  # differences below it are no win for either


@dataclass(frozen=True)
class Comparison:
    """B minus A of one metric over the utterances that both have; wins are B's."""

    n: int
    mean_a: float
    mean_b: float
    difference: float
    ci_low: float
    ci_high: float
    p_value: float  # Wilcoxon signed-rank test, two-sided; 1 if nothing differs
    wins: int
    ties: int
    losses: int


def read_utterances(folder: str | Path) -> pd.DataFrame:
    """The `utterances.csv` of an evaluation, by id.

    Raises:
        DataError: the folder holds no evaluation.
    """
    path = Path(folder) / "utterances.csv"
    if not path.is_file():
        raise DataError(f"{folder}: no utterances.csv there; give an output of codec evaluate")
    return pd.read_csv(path, dtype={"id": str, "speaker": str}, keep_default_na=True).set_index(
        "id"
    )


def compare(a: pd.DataFrame, b: pd.DataFrame) -> Mapping[str, Comparison]:
    """Every metric that both tables have, over the utterances where it is defined in both.

    Raises:
        DataError: the evaluations share no scored utterance.
    """
    shared = a.index.intersection(b.index)
    results = {}
    for name in (column for column in METRICS if column in a and column in b):
        pairs = pd.DataFrame({"a": a.loc[shared, name], "b": b.loc[shared, name]}).dropna()
        if len(pairs):
            results[name] = _compare(pairs, a.loc[pairs.index, "speaker"], METRICS[name].better)
    if not results:
        raise DataError("the evaluations have no scored utterance in common")
    return results


def _compare(pairs: pd.DataFrame, speakers: pd.Series, better: int) -> Comparison:
    difference = (pairs["b"] - pairs["a"]).to_numpy()
    low, high = cluster_bootstrap(difference, speakers.to_numpy())
    gains = difference * (better or 1)
    differs = bool((np.abs(difference) > TIE).any())
    return Comparison(
        n=len(pairs),
        mean_a=float(pairs["a"].mean()),
        mean_b=float(pairs["b"].mean()),
        difference=float(difference.mean()),
        ci_low=low,
        ci_high=high,
        p_value=float(wilcoxon(difference).pvalue) if differs else 1.0,
        wins=int((gains > TIE).sum()),
        ties=int((np.abs(gains) <= TIE).sum()),
        losses=int((gains < -TIE).sum()),
    )
