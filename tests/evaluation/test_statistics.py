import numpy as np
import pytest
from scipy.stats import ttest_1samp

from audiocodec.evaluation import statistics
from audiocodec.evaluation.statistics import cluster_bootstrap, permutation_test, summarise


def test_summary_counts_undefined_values_and_leaves_them_out():
    values = np.array([1.0, 2.0, 6.0, np.nan])
    summary = summarise(values, np.array(["a", "b", "c", "c"]))
    assert (summary.mean, summary.median, summary.n_ok, summary.n_failed) == (3.0, 2.0, 3, 1)
    assert summarise(np.array([np.nan]), np.array(["a"])) is None


def test_interval_of_a_constant_is_that_constant():
    assert cluster_bootstrap(np.full(8, 2.5), np.arange(8)) == (2.5, 2.5)


def test_interval_of_many_independent_values_is_that_of_the_normal_distribution():
    values = np.random.default_rng(0).standard_normal(2000)
    half = 1.96 * values.std() / np.sqrt(2000)
    expected = (values.mean() - half, values.mean() + half)
    assert cluster_bootstrap(values, np.arange(2000)) == pytest.approx(expected, abs=0.1 * half)


def test_utterances_of_one_speaker_do_not_narrow_the_interval():
    random = np.random.default_rng(0)
    speakers = random.standard_normal(20)
    once = cluster_bootstrap(speakers, np.arange(20))
    fifty = cluster_bootstrap(np.repeat(speakers, 50), np.repeat(np.arange(20), 50))
    assert fifty == pytest.approx(once, rel=1e-6)


def test_one_speaker_alone_is_drawn_by_utterance_and_one_utterance_has_no_interval():
    values = np.random.default_rng(0).standard_normal(20)
    assert cluster_bootstrap(values, np.zeros(20)) == cluster_bootstrap(values, np.arange(20))
    assert cluster_bootstrap(values[:1], np.zeros(1)) == (None, None)


def test_blocks_do_not_change_the_draws(monkeypatch):
    values = np.random.default_rng(0).standard_normal(30)
    whole = cluster_bootstrap(values, np.arange(30)), permutation_test(values, np.arange(30))
    monkeypatch.setattr(statistics, "_BLOCK", 700)
    assert (
        cluster_bootstrap(values, np.arange(30)),
        permutation_test(values, np.arange(30)),
    ) == whole


def test_the_permutation_test_of_few_speakers_is_exact():
    """Three speakers that all gain: both sums of equal signs of 8 are as far from zero."""
    assert permutation_test(np.array([1.0, 2.0, 3.0]), np.arange(3)) == pytest.approx(
        0.25, abs=0.02
    )
    assert permutation_test(np.zeros(5), np.arange(5)) == 1.0


def test_the_permutation_test_is_near_the_t_test_for_independent_utterances():
    differences = np.random.default_rng(1).standard_normal(60) + 0.25
    expected = ttest_1samp(differences, 0).pvalue
    assert permutation_test(differences, np.arange(60)) == pytest.approx(expected, abs=0.01)
    doubled = permutation_test(np.repeat(differences, 9), np.repeat(np.arange(60), 9))
    assert doubled == pytest.approx(expected, abs=0.01)  # no surer for saying it nine times


def draw_speakers(random: np.random.Generator, speakers: int) -> tuple[np.ndarray, np.ndarray]:
    """Values with mean 0, whose speakers differ and have 1 to 8 utterances each."""
    clusters = np.repeat(np.arange(speakers), random.integers(1, 9, speakers))
    own = random.standard_normal(speakers)[clusters]
    return own + random.standard_normal(len(clusters)), clusters


@pytest.mark.slow
@pytest.mark.parametrize("speakers", [12, 60])
def test_the_interval_covers_the_true_mean_in_95_percent_of_draws(speakers):
    random = np.random.default_rng(0)
    draws = 1000
    covered = 0
    for draw in range(draws):
        values, clusters = draw_speakers(random, speakers)
        low, high = cluster_bootstrap(values, clusters, seed=draw)
        covered += low <= 0 <= high
    assert covered / draws == pytest.approx(0.95, abs=0.02)


@pytest.mark.slow
def test_the_p_value_is_below_5_percent_in_5_percent_of_draws_without_a_difference():
    random = np.random.default_rng(0)
    p_values = [permutation_test(*draw_speakers(random, 20), seed=draw) for draw in range(500)]
    assert np.mean(np.array(p_values) < 0.05) == pytest.approx(0.05, abs=0.02)
