"""How far float32 may move the gap between the two nearest codes: measured, with a safety factor.

The same graph is built in float32 and in float64 and both give the gaps d2 - d1 of the distances to
the two nearest codes of each stage. Rounding errors of frames differ by what the encoder's layer
norms magnify and by how far samples exceed full scale, so they are taken relative to that. The
bound is `SAFETY` times the largest difference found, on signals made to be hard, from silence to
far beyond full scale, and on the speech that the package ships.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from audiocodec.audio import read_waveform
from audiocodec.models.codec import Codec
from audiocodec.models.folders import ASSETS
from audiocodec.runtime.graph import Graph

SAFETY = 2.0  # quiet speech has frames that move 1.2 times as far as these signals do
_SECONDS = 1.0  # of each signal
_LEVEL = 0.3  # of those that are made


@dataclass(frozen=True)
class Measured:
    """bound: on |d2 - d1| over the gain of a frame; largest: of the differences; of `frames`."""

    bound: float
    largest: float
    frames: int


class Moves(NamedTuple):
    """relative: how far rounding moved a frame's gaps, over its gain. smallest: its smallest gap in
    float32, over its gain. same: whether all its codes are. Each has (frames,).
    """

    relative: np.ndarray
    smallest: np.ndarray
    same: np.ndarray


def measure(codec: Codec, single: Graph, double: Graph) -> Measured:
    """Compare the gaps that the two graphs of an encoder give."""
    found = [
        moves(single, double, waveform[: len(waveform) // codec.hop_length * codec.hop_length])
        for waveform in signals(codec.sample_rate)
    ]
    largest = max(float(own.relative.max()) for own in found)
    return Measured(SAFETY * largest, largest, sum(len(own.same) for own in found))


def moves(single: Graph, double: Graph, waveform: np.ndarray) -> Moves:
    """Of the frames of a waveform (time,) of whole hops, by graphs in float32 and in float64."""
    x = waveform[None, None].astype(np.float32)
    values, exact = (g.outputs("waveform", x, _WANTED) for g in (single, double))
    same = np.cumprod(values["codes"] == exact["codes"], axis=1)  # all stages up to here
    moved = np.abs(values["gaps"] - exact["gaps"]) * same
    # Where the nearest two changed places, the gap went through 0; later stages mean nothing.
    changed = np.diff(same, axis=1, prepend=1) < 0
    moved += (values["gaps"] + exact["gaps"]) * changed
    gains = values["gains"][0]
    return Moves(
        moved[0].max(0) / gains, values["gaps"][0].min(0) / gains, same[0, -1].astype(bool)
    )


_WANTED = ("codes", "gaps", "gains")


def signals(sample_rate: int) -> list[np.ndarray]:
    """Waveforms (time,): silence, noise, tones, clicks and speech, at many levels."""
    generator = np.random.Generator(np.random.Philox(19))
    time = np.arange(round(_SECONDS * sample_rate))
    noise = generator.standard_normal(len(time))
    sweep = np.sin(np.pi * sample_rate / 4 * (time / sample_rate) ** 2 / _SECONDS)
    clicks = (time % 997 == 0) * generator.standard_normal(len(time))
    swelling = noise * np.exp(np.linspace(-14, 0, len(time)))
    levels = [1.0, 0.1, 1e-2, 1e-3, 1e-4]
    made = [np.zeros(len(time)), swelling, *(x * level for x in (noise, sweep) for level in levels)]
    made += [clicks, np.sign(sweep)]
    made += [x * (level / _LEVEL) for x in (np.ones(len(time)), sweep) for level in (1.0, 30.0)]
    voices = sorted((ASSETS / "speech_samples").glob("*/*_01.*"))
    most = 2 * len(time)
    speech = [read_waveform(path, sample_rate)[0, :most] for path in voices]
    return [_LEVEL * x for x in made] + [x * level for x in speech for level in levels[:-1]]
