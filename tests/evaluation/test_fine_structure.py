"""A voice against a buzz, in signals whose fine structure is known."""

import numpy as np
import pytest

from audiocodec.evaluation.metrics import MetricFailure
from audiocodec.evaluation.metrics.fine_structure import harmonic_correlation, tonal_lines

RATE = 24_000
SECONDS = 3
TIME = np.arange(SECONDS * RATE) / RATE


def random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def noise(seed: int) -> np.ndarray:
    return (0.1 * random(seed).standard_normal(len(TIME))).astype(np.float32)


def voice(pitch: float, phases: int | None = None) -> np.ndarray:
    """Harmonics up to 10 kHz falling by 6 dB an octave, in phase or at random phases."""
    orders = np.arange(1, int(10_000 / pitch))
    starts = random(phases).uniform(0, 2 * np.pi, len(orders)) if phases else 0 * orders
    tones = np.sin(2 * np.pi * pitch * orders[:, None] * TIME + starts[:, None]) / orders[:, None]
    return (0.1 * tones.sum(0)).astype(np.float32)


def buzz(seed: int = 7) -> np.ndarray:
    """One tone in each of the bands that are 150 Hz wide, wherever in it."""
    tones = np.arange(75, 10_000, 150) + random(seed).uniform(-60, 60, 67)
    return (0.02 * np.sin(2 * np.pi * tones[:, None] * TIME).sum(0)).astype(np.float32)


@pytest.mark.parametrize("pitch", [80.0, 120.0, 207.3, 330.0])
def test_harmonics_of_the_same_pitch_correlate_at_whatever_phase(pitch):
    assert harmonic_correlation(voice(pitch), voice(pitch, phases=1), RATE) > 0.97


def test_level_and_a_smooth_filter_do_not_change_the_correlation(speech):
    filtered = 0.2 * np.convolve(speech, [1, -0.6], "same").astype(np.float32)
    assert harmonic_correlation(speech, filtered, RATE) > 0.97


@pytest.mark.parametrize("pitch", [120.0, 207.3])
def test_fixed_tones_have_nothing_of_a_voice(pitch):
    """Nor has the mean over many; one, of 20 tones, may lie as the harmonics do by chance."""
    scores = [harmonic_correlation(voice(pitch), buzz(seed), RATE) for seed in range(10)]
    assert abs(np.mean(scores)) < 0.1 and max(scores) < 0.5


def test_noise_and_another_pitch_have_nothing_of_a_voice():
    assert abs(harmonic_correlation(voice(120), noise(1), RATE)) < 0.05
    assert abs(harmonic_correlation(voice(120), voice(136), RATE)) < 0.2


def test_two_noises_do_not_correlate():
    assert abs(harmonic_correlation(noise(1), noise(2), RATE)) < 0.03


def test_more_of_the_voice_in_the_noise_correlates_more(speech):
    steps = [
        harmonic_correlation(speech, (1 - part) * noise(3)[: len(speech)] + part * speech, RATE)
        for part in (0.2, 0.5, 0.9)
    ]
    assert steps == sorted(steps) and steps[0] < 0.5 < steps[-1]


def test_only_a_delay_of_frames_matters(speech):
    assert harmonic_correlation(speech, np.roll(speech, 48), RATE) > 0.9
    assert harmonic_correlation(speech, np.roll(speech, RATE // 5), RATE) < 0.3


def test_noise_has_no_lines():
    assert abs(tonal_lines(noise(1), noise(2), RATE)) < 1.5


@pytest.mark.parametrize("frequency", [500, 3_000, 11_000])
def test_a_tone_in_noise_is_as_many_db_above_it_as_in_its_spectrum(frequency):
    """A Hann window of n samples lets through noise of 1.5 bins, so a tone of amplitude a in noise
    of variance v is a² n / 6 v above it; the mean of the noise's level is 2.5 dB below its power,
    and the loudest of its own 700 bins about 1.3 dB above that mean."""
    tone = (0.05 * np.sin(2 * np.pi * frequency * TIME)).astype(np.float32)
    above = 10 * np.log10(0.05**2 * 0.064 * RATE / (6 * 0.1**2)) + 2.5
    assert tonal_lines(noise(1), noise(2) + tone, RATE) == pytest.approx(above - 1.3, abs=1.2)


def test_a_buzz_that_follows_the_envelope_has_lines():
    envelope = np.square(np.sin(2 * np.pi * 3 * TIME)).astype(np.float32) + 0.01
    assert tonal_lines(envelope * noise(1), envelope * buzz(), RATE) > 10
    assert abs(tonal_lines(envelope * noise(1), envelope * noise(2), RATE)) < 1.5


def test_lines_count_in_pauses_and_not_in_voiced_frames():
    voiced = np.where(TIME % 1 < 0.5, voice(120), 0).astype(np.float32)
    quiet = voiced + 0.01 * noise(1)
    line = 0.003 * np.sin(2 * np.pi * 2_950 * TIME).astype(np.float32)
    pause = np.where(TIME % 1 < 0.5, 0, line).astype(np.float32)
    assert tonal_lines(quiet, quiet + pause, RATE) > 10
    assert abs(tonal_lines(quiet, quiet + line - pause, RATE)) < 3


def test_the_lines_of_the_reference_are_taken_off():
    hum = 0.02 * np.sin(2 * np.pi * 1_000 * TIME).astype(np.float32)
    assert abs(tonal_lines(noise(1) + hum, noise(2) + hum, RATE)) < 0.5
    assert tonal_lines(noise(1) + hum, noise(2), RATE) < -5


def test_a_reference_without_noise_has_no_place_for_lines():
    with pytest.raises(MetricFailure, match=r"^\d+ frames of the reference are unvoiced"):
        tonal_lines(voice(120), voice(120), RATE)


@pytest.mark.parametrize("rate", [8_000, 11_025, 22_050, 44_100, 48_000])
def test_any_rate_will_do(rate):
    signal = (0.1 * random(1).standard_normal(2 * rate)).astype(np.float32)
    assert harmonic_correlation(signal, signal, rate) == pytest.approx(1, abs=1e-4)
    assert tonal_lines(signal, signal, rate) == 0


def test_digital_silence_inside_is_no_trouble():
    gaps = np.where(TIME % 1 < 0.5, voice(120) + noise(1), 0).astype(np.float32)
    assert harmonic_correlation(gaps, gaps, RATE) == pytest.approx(1, abs=1e-4)
    assert harmonic_correlation(gaps, np.where(TIME < 1, gaps, 0).astype(np.float32), RATE) < 0.5
