"""The fine structure of spectra: harmonics in voiced frames, steady lines where there is noise.

Distances of log mel bands, PESQ and STOI hardly tell a voice from a buzz of the same envelope.
These two do. Both look at frames of 64 ms every 16 ms and take the reference's voicing from its
cepstral peak at 16 kHz, which costs milliseconds where a pitch tracker costs seconds.
"""

import numpy as np

from audiocodec.evaluation.signals import MetricFailure, Pair, checked_pair
from audiocodec.extras import extra

RATE = 16_000  # Hz
WINDOW, HOP = 0.064, 0.016  # seconds
LIFTER = 40  # quefrencies below 2.5 ms are envelope
PITCH = slice(RATE // 400, RATE // 70 + 1)  # quefrencies, as samples, of 70 to 400 Hz
BAND = slice(64, 257)  # bins of 1 to 4 kHz
VOICED_SHARE = 0.4  # of the frames, those with the highest cepstral peaks
NOISE_PEAK = 0.12  # no frame of white noise has a higher cepstral peak
LOUD = 1e-4  # of the highest frame energy: -40 dB
FRAME_FLOOR = 1e-4  # of a frame's highest magnitude, under the logarithm: -80 dB
FLOOR = 1e-5  # of full scale, under the averaged spectrum: -100 dB
LINES_ABOVE = 300.0  # Hz: mains hum lies below
ENVELOPE = 400.0  # Hz, the width of the median that smooths the averaged spectrum
MIN_FRAMES = 16


def harmonic_correlation(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Correlation of the spectral fine structure in voiced frames, 1 to 4 kHz; 1 is the best.

    Log magnitude spectra without their cepstrum below 2.5 ms, compared by Pearson's correlation;
    the mean over the 40 % of frames with the reference's highest cepstral peaks, as far as they
    are within 40 dB of its loudest. Level, phase and smooth filters do not matter; delay does.

    Raises:
        MetricFailure: no frame is both loud and voiced, or the pair is unfit for any metric.
    """
    pair = checked_pair(reference, degraded, sample_rate).at(RATE)
    spectra = [_magnitudes(signal, RATE) for signal in (pair.reference, pair.degraded)]
    real, fake = (_cepstra(spectrum) for spectrum in spectra)
    peaks, loud = real[:, PITCH].max(axis=1), _is_loud(spectra[0])
    voiced = (peaks >= np.quantile(peaks, 1 - VOICED_SHARE)) & loud
    if not voiced.any():
        raise MetricFailure("no frame of the reference is both loud and voiced")
    return float((_fine(real[voiced]) * _fine(fake[voiced])).sum(axis=1).mean())


def tonal_lines(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """How much louder the loudest steady line is than the reference's, in dB; 0 or less is good.

    Level spectra in dB of the frames in which the reference is unvoiced or silent, averaged over
    time, minus their running median over 400 Hz: in noise nothing sticks out, and a component that
    keeps its frequency does. Above 300 Hz, at the native rate.

    Raises:
        MetricFailure: fewer than 16 such frames, or the pair is unfit for any metric.
    """
    pair = checked_pair(reference, degraded, sample_rate)
    spectra = [_magnitudes(signal, sample_rate) for signal in (pair.reference, pair.degraded)]
    noise = _is_noise(pair)[: len(spectra[0])]
    noise &= (np.maximum(*spectra).max(axis=1) > FLOOR)[: len(noise)]  # not silent in both
    if (count := int(noise.sum())) < MIN_FRAMES:
        raise MetricFailure(f"{count} frames of the reference are unvoiced; {MIN_FRAMES} needed")
    real, fake = (_loudest_line(s[: len(noise)][noise], sample_rate) for s in spectra)
    return fake - real


def _magnitudes(signal: np.ndarray, sample_rate: int) -> np.ndarray:
    """(frames, bins); a full-scale sine has magnitude 1."""
    with extra("eval"):
        from scipy.fft import rfft
        from scipy.signal import get_window

    size, hop = round(WINDOW * sample_rate), round(HOP * sample_rate)
    window = get_window("hann", size).astype(np.float32) * np.float32(4 / size)
    frames = np.lib.stride_tricks.sliding_window_view(signal, size)[::hop]
    return np.abs(rfft(frames * window, axis=1))


def _cepstra(spectra: np.ndarray) -> np.ndarray:
    """(frames, quefrencies) of (frames, bins)."""
    with extra("eval"):
        from scipy.fft import irfft

    floor = np.maximum(FRAME_FLOOR * spectra.max(axis=1, keepdims=True), FLOOR * FRAME_FLOOR)
    return irfft(np.log(np.maximum(spectra, floor)), axis=1)


def _fine(cepstra: np.ndarray) -> np.ndarray:
    """Log spectra without their envelope, of zero mean and unit norm, or 0 where they are flat."""
    with extra("eval"):
        from scipy.fft import rfft

    kept = cepstra.copy()
    kept[:, :LIFTER] = kept[:, 1 - LIFTER :] = 0
    fine = rfft(kept, axis=1).real[:, BAND]
    fine -= fine.mean(axis=1, keepdims=True)
    norm = np.linalg.norm(fine, axis=1, keepdims=True)
    return np.where(norm > 1e-6, fine / np.maximum(norm, 1e-6), 0)


def _is_loud(spectra: np.ndarray) -> np.ndarray:
    energies = np.square(spectra).sum(axis=1)
    return energies > LOUD * energies.max()


def _is_noise(pair: Pair) -> np.ndarray:
    """(frames,): whether the reference is unvoiced or silent."""
    spectra = _magnitudes(pair.at(RATE).reference, RATE)
    unvoiced = _cepstra(spectra)[:, PITCH].max(axis=1) < NOISE_PEAK
    return unvoiced | ~_is_loud(spectra)


def _loudest_line(spectra: np.ndarray, sample_rate: int) -> float:
    """Of (frames, bins), in dB above the smooth envelope of their mean over time."""
    with extra("eval"):
        from scipy.ndimage import median_filter

    levels = (20 * np.log10(np.maximum(spectra, FLOOR))).mean(axis=0)
    envelope = median_filter(levels, round(ENVELOPE * WINDOW), mode="nearest")
    return float((levels - envelope)[round(LINES_ABOVE * WINDOW) :].max())
