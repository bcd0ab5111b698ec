import numpy as np
import pytest

from audiocodec.evaluation.statistics import cluster_bootstrap, summarise


def test_summary_counts_undefined_values_and_leaves_them_out():
    values = np.array([1.0, 2.0, 6.0, np.nan])
    summary = summarise(values, np.array(["a", "b", "c", "c"]))
    assert (summary.mean, summary.median, summary.n_ok, summary.n_failed) == (3.0, 2.0, 3, 1)
    assert summarise(np.array([np.nan]), np.array(["a"])) is None


def test_interval_of_a_constant_is_that_constant():
    assert cluster_bootstrap(np.full(8, 2.5), np.arange(8)) == (2.5, 2.5)


def test_utterances_of_one_speaker_do_not_narrow_the_interval():
    random = np.random.default_rng(0)
    speakers = random.standard_normal(20)
    once = cluster_bootstrap(speakers, np.arange(20))
    fifty = cluster_bootstrap(np.repeat(speakers, 50), np.repeat(np.arange(20), 50))
    assert fifty == pytest.approx(once, rel=1e-6)


@pytest.mark.slow
def test_the_interval_covers_the_true_mean_in_95_percent_of_draws():
    random = np.random.default_rng(0)
    covered, draws = 0, 600
    for draw in range(draws):
        clusters = np.repeat(np.arange(60), 4)
        values = random.standard_normal(60)[clusters] + random.standard_normal(240)
        low, high = cluster_bootstrap(values, clusters, seed=draw)
        covered += low <= 0 <= high
    assert covered / draws == pytest.approx(0.95, abs=0.02)
