"""Lapped transforms at half the cost: a frame of two hops is folded to one before the product.

The cosines of an MDCT are odd about the middle of a frame's first half and even about that of its
second; the sines beside them the other way round. So samples at the same distance from a middle are
added or subtracted first, and the product needs every other row of the table only: its first and
third quarter, without their window.
"""

import numpy as np

from audiocodec.features.mdct import one_period
from audiocodec.graphs.builder import Scope, Value, concat


def analyse(blocks: Value, cosines: Value, sines: Value, hop: int) -> tuple[Value, Value]:
    """Coefficients (batch, frames, n) of both waves in blocks (batch, 1 + frames, hop).

    `cosines` and `sines` are the waves' `rows`; each product has their precision.
    """
    rising, falling = (part * _once(hop) for part in _window(hop))
    left, right = blocks.slice(2, 0, -(-hop // 2)), _turned(blocks.slice(2, hop // 2))
    older = left * rising, right * falling
    newer = left * falling, right * rising
    odd, even = older[0] - older[1], newer[0] + newer[1]
    cosine = _product(_joined(odd, even), cosines)
    odd, even = newer[0] - newer[1], older[0] + older[1]
    return cosine, _product(_joined(even, odd), sines)


def _product(x: Value, wave: Value) -> Value:
    if x.scope.dtype != wave.scope.dtype:
        x = x.cast(wave.scope.dtype).seen_from(wave.scope)
    return x @ wave


def _joined(older: Value, newer: Value) -> Value:
    return concat([older.slice(1, 0, -1), newer.slice(1, 1)])


def synthesise(coefficients: Value, cosines: Value, hop: int) -> tuple[Value, Value]:
    """What coefficients (batch, frames, n) add to their block and to the next one, for `overlap`.

    (batch, frames, ceil(hop / 2)) each; `cosines` are the wave's `rows`.
    """
    half = -(-hop // 2)
    now, later = (coefficients @ cosines.transpose(1, 0)).split([half, half])
    return now, later


def overlap(now: Value, former: Value, hop: int) -> Value:
    """Blocks (batch, frames, hop), given what the frames before them left for `later`."""
    rising, falling = _window(hop)
    left = now * rising + former * falling
    right = (former * rising - now * falling).slice(2, 0, hop // 2)
    return concat([left, _turned(right)])


def _turned(x: Value) -> Value:
    """The last of three axes backwards."""
    return x.slice(2, -1, np.iinfo(np.int64).min, step=-1)


def _window(hop: int) -> tuple[np.ndarray, np.ndarray]:
    """The sine window in the first quarter of a frame, and in the second backwards."""
    phase = np.pi / (2 * hop) * (np.arange(-(-hop // 2)) + 0.5)
    return np.sin(phase), np.cos(phase)


def _once(hop: int) -> np.ndarray:
    """The middle of an odd hop is its own mirror image, and must not count twice."""
    weights = np.ones(-(-hop // 2))
    if hop % 2:
        weights[-1] = 0.5
    return weights


def rows(waves: Value, hop: int) -> Value:
    """The rows (2 * ceil(hop / 2), n) of a table of `features/mdct.lapped_basis`, (2 * hop, n)."""
    half, (rising, falling) = -(-hop // 2), _window(hop)
    first, third = waves.slice(0, 0, half), waves.slice(0, hop, hop + half)
    return concat([first * (1 / rising[:, None]), third * (1 / falling[:, None])], axis=0)


def exact_rows(scope: Scope, hop: int, rounded: bool = False) -> tuple[Value, Value]:
    """The rows of cosines and of sines, (2 * ceil(hop / 2), hop), to the last digit.

    Made of one period of a cosine: the graph has no tables in float64. If `rounded`, its values are
    those of float32, as in `features/mdct.rounded_analysis`.
    """
    period, half = 8 * hop, -(-hop // 2)
    wave = scope.stored(one_period(hop).float() if rounded else one_period(hop))
    time = 2 * np.concatenate([np.arange(half), np.arange(hop, hop + half)]) + 1 + hop
    frequency = 2 * np.arange(hop) + 1
    place = scope.integers(time[:, None]) * scope.integers(frequency[None])
    later = place + scope.integers(period - 2 * hop)  # a quarter of a period
    cosines, sines = (wave.take(scope.op("Mod", p, scope.integers(period))) for p in (place, later))
    return cosines, sines
