import numpy as np
import pytest

from audiocodec.evaluation.metrics import (
    METRICS,
    MetricFailure,
    estoi,
    pesq_nb,
    pesq_wb,
    si_sdr,
    stoi,
)
from audiocodec.evaluation.scoring import score_signals

RATE = 24_000


def noisy(speech: np.ndarray, level: float) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(len(speech))
    return (speech + level * speech.std() * noise).astype(np.float32)


def test_identical_signals_get_the_best_score(speech):
    best = {"pesq_wb": 4.6439, "pesq_nb": 4.5486, "stoi": 1.0, "estoi": 1.0, "si_sdr": 100.0}
    for name, metric in METRICS.items():
        assert metric(speech, speech, RATE) == pytest.approx(best[name], abs=1e-3), name


@pytest.mark.parametrize("name", METRICS)
def test_more_noise_scores_worse(name, speech):
    scores = [METRICS[name](speech, noisy(speech, level), RATE) for level in (0.01, 0.1, 1.0)]
    assert scores[0] > scores[1] > scores[2]


def test_si_sdr_of_a_known_mixture_is_the_ratio_of_powers():
    time = np.arange(RATE) / RATE
    target = np.sin(2 * np.pi * 100 * time)
    orthogonal = np.sin(2 * np.pi * 300 * time)
    mixture = 0.5 * target + 0.05 * orthogonal  # 20 dB, at any gain
    assert si_sdr(target, mixture, RATE) == pytest.approx(20.0, abs=1e-3)


@pytest.mark.parametrize("metric", [pesq_wb, pesq_nb, stoi, si_sdr])
def test_gain_does_not_change_the_score(metric, speech):
    degraded = noisy(speech, 0.1)
    assert metric(speech, 0.25 * degraded, RATE) == pytest.approx(
        metric(speech, degraded, RATE), abs=2e-3
    )


def test_estoi_does_not_depend_on_the_global_generator(speech):
    np.random.seed(1)
    first = estoi(speech, noisy(speech, 0.1), RATE)
    np.random.seed(2)
    assert estoi(speech, noisy(speech, 0.1), RATE) == first


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(
    ("side", "make", "reason"),
    [
        ("reference", np.zeros_like, "reference is silent"),
        ("degraded", np.zeros_like, "degraded is silent"),
        ("degraded", lambda x: np.where(np.arange(len(x)) == 9, np.nan, x), "NaN"),
        ("degraded", lambda x: np.where(np.arange(len(x)) == 9, np.inf, x), "infinite"),
        ("degraded", lambda x: x[: RATE // 20], "shorter"),
        ("degraded", lambda x: x[:0], "shorter"),
    ],
)
def test_undefined_scores_are_failures_with_a_reason(name, side, make, reason, speech):
    signals = {"reference": speech, "degraded": speech}
    signals[side] = make(speech).astype(np.float32)
    with pytest.raises(MetricFailure, match=reason):
        METRICS[name](signals["reference"], signals["degraded"], RATE)
    scores, reasons = score_signals(signals["reference"], signals["degraded"], RATE, [name])
    assert not scores and reason in reasons[name]
