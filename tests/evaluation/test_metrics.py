import librosa
import numpy as np
import pytest

from audiocodec.audio import resample
from audiocodec.errors import ConfigError
from audiocodec.evaluation.metrics import (
    DEFAULT,
    LOCAL,
    METRICS,
    MetricFailure,
    distortion,
    pitch,
    select,
)
from audiocodec.evaluation.scoring import score_signals

RATE = 24_000
PITCH = (
    "f0_rmse",
    "voicing_f1",
    "f0_rmse_pyin",
    "voicing_f1_pyin",
)  # take seconds for a second of audio
FAST = [name for name in METRICS if name not in PITCH]
EVERY = [*FAST, *(pytest.param(name, marks=pytest.mark.slow) for name in PITCH)]
INVARIANT = ("pesq_wb", "pesq_nb", "stoi", "si_sdr", "harmonic_correlation")
QUALITY = [n for n in EVERY if n not in ("delay", "gain", "clipping", "tonal_lines")]


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
    expected = best | {"voicing_f1": 1, "voicing_f1_pyin": 1, "harmonic_correlation": 1}
    assert score(name, speech, speech) == pytest.approx(expected.get(name, 0), abs=1e-3)


def test_the_best_pesq_is_that_of_the_mapping_of_p862():
    """Raw 4.5 through the logistic functions of P.862.1 (narrowband) and P.862.2 (wideband)."""
    time = np.arange(3 * RATE) / RATE
    bursts = np.where(time % 0.5 < 0.3, 0.3 * np.sin(2 * np.pi * 440 * time), 0).astype(np.float32)
    wide, narrow = (
        0.999 + 4 / (1 + np.exp(a * 4.5 + b)) for a, b in ((-1.3669, 3.8224), (-1.4945, 4.6607))
    )
    assert score("pesq_wb", bursts, bursts) == pytest.approx(wide, abs=1e-4)
    assert score("pesq_nb", bursts, bursts) == pytest.approx(narrow, abs=1e-4)


@pytest.mark.parametrize("extended", [False, True])
@pytest.mark.parametrize("level", [0.1, 1.0])
def test_stoi_against_its_paper(extended, level, speech):
    """Taal et al. 2011 and Jensen and Taal 2016, written down plainly, at their rate of 10 kHz."""
    reference = resample(speech, RATE, 10_000)
    degraded = noisy(reference, level)
    function = METRICS["estoi" if extended else "stoi"].function
    assert function(reference, degraded, 10_000) == pytest.approx(
        plain_stoi(reference, degraded, extended), abs=3e-3
    )


def plain_stoi(reference: np.ndarray, degraded: np.ndarray, extended: bool) -> float:
    window = np.hanning(258)[1:-1]
    starts = range(0, len(reference) - 255, 128)
    frames = [
        np.array([window * signal[s : s + 256] for s in starts]) for signal in (reference, degraded)
    ]
    level = 20 * np.log10(np.linalg.norm(frames[0], axis=1) + 1e-12)
    loud = level > level.max() - 40
    bands = []
    for signal in frames:
        speech = np.zeros(128 * loud.sum() + 128)
        for number, frame in enumerate(signal[loud]):
            speech[128 * number : 128 * number + 256] += frame
        spectrum = [
            np.fft.rfft(window * speech[s : s + 256], 512) for s in range(0, len(speech) - 255, 128)
        ]
        power = np.abs(np.array(spectrum).T) ** 2
        centres = 150 * 2 ** (np.arange(15) / 3)
        edges = np.stack([centres * 2 ** (-1 / 6), centres * 2 ** (1 / 6)])
        bins = np.round(edges * 512 / 10_000).astype(int)
        bands.append(np.sqrt([power[low:high].sum(0) for low, high in bins.T]))
    scores = []
    for end in range(30, bands[0].shape[1] + 1):
        x, y = (band[:, end - 30 : end] for band in bands)
        if extended:
            x, y = (unit(unit(segment, 1), 0) for segment in (x, y))
            scores.append((x * y).sum() / 30)
        else:
            y = (
                y
                * np.linalg.norm(x, axis=1, keepdims=True)
                / np.linalg.norm(y, axis=1, keepdims=True)
            )
            y = np.minimum(y, x * (1 + 10 ** (15 / 20)))
            scores.append((unit(x, 1) * unit(y, 1)).sum(1).mean())
    return float(np.mean(scores))


def unit(segment: np.ndarray, axis: int) -> np.ndarray:
    centred = segment - segment.mean(axis, keepdims=True)
    return centred / np.linalg.norm(centred, axis=axis, keepdims=True)


def test_a_delay_ruins_stoi_and_not_pesq_and_is_reported(speech):
    """As measured on other speech: 20 ms cost a quarter of STOI, 100 ms nearly all of it."""
    scores = [
        score_signals(
            speech, np.roll(speech, int(delay * RATE)), RATE, ("pesq_wb", "stoi", "delay")
        )[0]
        for delay in (0.02, 0.1)
    ]
    assert scores[0]["stoi"] < 0.85 and scores[1]["stoi"] < 0.3
    assert all(s["pesq_wb"] > 3.5 for s in scores)
    assert [s["delay"] for s in scores] == pytest.approx([20, 100])


@pytest.mark.parametrize("name", QUALITY)
def test_more_noise_scores_worse(name, speech):
    levels = (0.001, 1.0) if name in PITCH else (0.01, 0.1, 1.0)
    scores = [METRICS[name].better * score(name, speech, noisy(speech, lev)) for lev in levels]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == len(levels)


def test_ratios_of_a_known_mixture_are_the_ratios_of_powers():
    target, orthogonal = tone(100), tone(300)
    mixture = 0.5 * target + 0.05 * orthogonal  # 20 dB below the part of the target in it
    assert score("si_sdr", target, mixture) == pytest.approx(20.0, abs=1e-3)
    # the error is -0.5 target + 0.05 orthogonal
    assert score("snr", target, mixture) == pytest.approx(-10 * np.log10(0.25 + 0.0025), abs=1e-3)


def test_a_signal_without_anything_of_the_target_has_the_worst_ratio():
    odd, even = np.zeros(RATE, np.float32), np.zeros(RATE, np.float32)
    odd[1::4], odd[3::4], even[::4], even[2::4] = 0.5, -0.5, 0.5, -0.5
    assert score("si_sdr", odd, even) == -100


@pytest.mark.parametrize("name", [*INVARIANT, "delay", "mcd"])
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
@pytest.mark.parametrize("library", ["torchcrepe", "librosa.pyin"])
def test_pitch_of_a_detuned_tone_is_off_by_its_cents(library, monkeypatch):
    if library == "torchcrepe":
        pytest.importorskip("torchcrepe")
    monkeypatch.setattr(pitch, "backend", lambda: library)
    harmonics = [sum(tone(n * f0, amplitude=0.3 / n) for n in range(1, 6)) for f0 in (120.0, 124.0)]
    cents = 1200 * np.log2(124 / 120)
    assert score("f0_rmse", *harmonics) == pytest.approx(
        cents, abs=10
    )  # the grids are 10, 20 cents
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
        ("degraded", lambda x: np.full_like(x, 0.3), "degraded is constant"),
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


def test_short_signals_have_the_scores_that_do_not_need_speech(speech):
    short = speech[RATE : RATE + int(0.3 * RATE)]
    scores, reasons = score_signals(short, noisy(short, 0.1), RATE, DEFAULT)
    assert set(reasons) == {"pesq_wb", "stoi", "estoi", "tonal_lines"}
    assert scores["si_sdr"] == pytest.approx(20, abs=1)


def test_the_trouble_of_a_library_is_a_reason(monkeypatch, speech):
    monkeypatch.setattr(distortion, "CEILING_DB", "no number")
    scores, reasons = score_signals(speech, speech, RATE, ["si_sdr", "delay"])
    assert scores == {"delay": 0.0} and reasons["si_sdr"].startswith("TypeError")


def test_metrics_are_chosen_by_name_and_those_without_their_file_are_left_out():
    assert tuple(select(["default"])[0]) == DEFAULT
    assert tuple(select(["stoi", "pesq_wb"])[0]) == ("pesq_wb", "stoi")
    assert select(["all"]) == (METRICS, list(LOCAL))
    with pytest.raises(ConfigError, match="unknown metric 'stio'; known: default, all, pesq_wb"):
        select(["stio"])
    with pytest.raises(ConfigError, match=r"missing\.onnx: no such file"):
        select(["dnsmos"], {"dnsmos": "missing.onnx"})
    with pytest.raises(ConfigError, match="no metric loads 'mos'"):
        select(["dnsmos"], {"mos": "missing.onnx"})
