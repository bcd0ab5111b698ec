import librosa
import numpy as np
import pytest

from audiocodec.evaluation.metrics import DEFAULT, METRICS, MetricFailure
from audiocodec.evaluation.scoring import score_signals

RATE = 24_000
PITCH = ("f0_rmse", "voicing_f1")  # pYIN compiles for a minute when it runs for the first time
FAST = [name for name in METRICS if name not in PITCH]
EVERY = [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in PITCH)]


def noisy(speech: np.ndarray, level: float) -> np.ndarray:
    noise = np.random.default_rng(0).standard_normal(len(speech))
    return (speech + level * speech.std() * noise).astype(np.float32)


def score(name: str, reference: np.ndarray, degraded: np.ndarray) -> float:
    return METRICS[name].function(reference, degraded, RATE)


def tone(frequency: float, seconds: float = 1.0, amplitude: float = 0.5) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


@pytest.mark.parametrize("name", EVERY)
def test_identical_signals_get_the_best_score(name, speech):
    best = {"pesq_wb": 4.6439, "pesq_nb": 4.5486, "stoi": 1, "estoi": 1, "si_sdr": 100, "snr": 100}
    expected = best | {"voicing_f1": 1}
    assert score(name, speech, speech) == pytest.approx(expected.get(name, 0), abs=1e-3)


@pytest.mark.parametrize("name", EVERY)
def test_more_noise_scores_worse(name, speech):
    if METRICS[name].better == 0 or name == "clipping":
        pytest.skip("noise neither moves nor clips")
    levels = (0.001, 1.0) if name in PITCH else (0.01, 0.1, 1.0)
    scores = [METRICS[name].better * score(name, speech, noisy(speech, lev)) for lev in levels]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == len(levels)


def test_ratios_of_a_known_mixture_are_the_ratios_of_powers():
    target, orthogonal = tone(100), tone(300)
    mixture = 0.5 * target + 0.05 * orthogonal  # 20 dB below the part of the target in it
    assert score("si_sdr", target, mixture) == pytest.approx(20.0, abs=1e-3)
    # the error is -0.5 target + 0.05 orthogonal
    assert score("snr", target, mixture) == pytest.approx(-10 * np.log10(0.25 + 0.0025), abs=1e-3)


@pytest.mark.parametrize("name", ["pesq_wb", "pesq_nb", "stoi", "si_sdr", "delay", "mcd"])
def test_gain_does_not_change_the_score(name, speech):
    degraded = noisy(speech, 0.1)
    assert score(name, speech, 0.25 * degraded) == pytest.approx(
        score(name, speech, degraded),
        abs=0.3 if name == "mcd" else 2e-3,  # mcd: the floor moves
    )


def test_a_gain_is_what_the_spectral_distances_measure():
    noise = 0.1 * np.random.default_rng(0).standard_normal(RATE).astype(np.float32)
    assert score("mel_distance", noise, 2 * noise) == pytest.approx(np.log(2), rel=1e-3)
    assert score("lsd", noise, 2 * noise) == pytest.approx(20 * np.log10(2), rel=1e-3)
    assert score("mcd", noise, 2 * noise) == pytest.approx(0, abs=1e-2)  # level is c0, left out
    assert score("gain", noise, 0.5 * noise) == pytest.approx(-6.0206, abs=1e-3)


def test_mcd_against_its_formula():
    """An independent cepstrum: cosine sums of log mel bands, by hand."""
    random = np.random.default_rng(0)
    first, second = (0.1 * random.standard_normal(RATE).astype(np.float32) for _ in range(2))
    filters = librosa.filters.mel(sr=RATE, n_fft=1024, n_mels=80)
    filters /= filters.sum(1, keepdims=True)
    cepstra = []
    for signal in (first, second):
        bands = np.log(filters @ np.abs(librosa.stft(signal, n_fft=1024)) * (4 / 1024))
        basis = np.cos(np.pi * np.outer(np.arange(1, 14), np.arange(80) + 0.5) / 80)
        cepstra.append(np.sqrt(2 / 80) * basis @ bands)
    distance = np.sqrt(((cepstra[0] - cepstra[1]) ** 2).sum(0)).mean()
    assert score("mcd", first, second) == pytest.approx(
        10 / np.log(10) * np.sqrt(2) * distance, rel=1e-3
    )


@pytest.mark.parametrize("samples", [0, 1, 480, -2400])
def test_delay_is_measured_to_the_sample(samples, speech):
    assert score("delay", speech, np.roll(speech, samples)) == pytest.approx(1000 * samples / RATE)


@pytest.mark.slow
def test_pitch_of_a_detuned_tone_is_off_by_its_cents():
    harmonics = [sum(tone(n * f0, amplitude=0.3 / n) for n in range(1, 6)) for f0 in (120.0, 124.0)]
    cents = 1200 * np.log2(124 / 120)
    assert score("f0_rmse", *harmonics) == pytest.approx(cents, abs=8)  # pYIN's grid is 10 cents
    assert score("voicing_f1", *harmonics) > 0.95


def test_clipping_share_counts_samples_at_full_scale():
    degraded = tone(100)
    degraded[:2400] = 1.0
    assert score("clipping", tone(100), degraded) == pytest.approx(0.1)


def test_estoi_does_not_depend_on_the_global_generator(speech):
    np.random.seed(1)
    first = score("estoi", speech, noisy(speech, 0.1))
    np.random.seed(2)
    assert score("estoi", speech, noisy(speech, 0.1)) == first


@pytest.mark.parametrize("name", [*DEFAULT, "snr", "lsd", "mcd", "f0_rmse"])
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
        score(name, signals["reference"], signals["degraded"])
    scores, reasons = score_signals(signals["reference"], signals["degraded"], RATE, [name])
    assert not scores and reason in reasons[name]
