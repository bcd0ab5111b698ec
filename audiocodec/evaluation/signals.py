"""A pair of signals made fit for metrics, or a reason why it is not."""

from dataclasses import dataclass

import numpy as np

from audiocodec.audio import resample

MIN_SECONDS = 0.1  # of a pair: less says nothing about a codec
MIN_SPEECH = 0.5  # seconds that PESQ and STOI need: they return sentinels for less
SILENCE = 1e-4  # peak; -80 dBFS
_NARROW = 4_200  # Hz; telephone speech ends below, with the slope of its filter
_NOTHING = 1e-5  # share of the energy; recordings of a wide band have a hundred times as much


class MetricFailure(ValueError):
    """A metric that is not defined for this pair; the message is the reason."""


@dataclass(frozen=True)
class Pair:
    """Reference and degraded signal at one rate, over their common length; mono (time,)."""

    reference: np.ndarray
    degraded: np.ndarray
    sample_rate: int

    def at(self, sample_rate: int) -> "Pair":
        """Both signals resampled by the same filter."""
        if sample_rate == self.sample_rate:
            return self
        reference, degraded = (
            resample(signal, self.sample_rate, sample_rate)
            for signal in (self.reference, self.degraded)
        )
        return Pair(reference, degraded, sample_rate)


def checked_pair(
    reference: np.ndarray,
    degraded: np.ndarray,
    sample_rate: int,
    min_seconds: float = MIN_SECONDS,
) -> Pair:
    """The pair over its common length.

    Raises:
        MetricFailure: non-finite, silent or too short signals, for which metrics return sentinels,
            NaN or crash.
    """
    for name, signal in (("reference", reference), ("degraded", degraded)):
        if signal.ndim != 1:
            raise ValueError(f"{name} has shape {signal.shape}; give one channel (time,)")
        if not np.isfinite(signal).all():
            raise MetricFailure(f"{name} has NaN or infinite samples")
    length = min(len(reference), len(degraded))
    if length < min_seconds * sample_rate:
        raise MetricFailure(f"shorter than {min_seconds} s")
    cut = [np.asarray(signal[:length], dtype=np.float32) for signal in (reference, degraded)]
    for name, signal in zip(("reference", "degraded"), cut, strict=True):
        if np.abs(signal).max() < SILENCE:
            raise MetricFailure(f"{name} is silent")
        if np.ptp(signal) < SILENCE:  # nothing but an offset, which some metrics take away
            raise MetricFailure(f"{name} is constant")
    return Pair(cut[0], cut[1], sample_rate)


def is_narrowband(signal: np.ndarray, sample_rate: int) -> bool:
    """Whether a signal (time,) holds nothing above 4 kHz, whatever its sample rate could."""
    if sample_rate <= 8_000:
        return True
    energies = np.abs(np.fft.rfft(signal.astype(np.float32))) ** 2
    above = round(_NARROW / sample_rate * len(signal))
    total = float(energies[1:].sum())  # without the offset
    return total > 0 and float(energies[above:].sum()) < _NOTHING * total
