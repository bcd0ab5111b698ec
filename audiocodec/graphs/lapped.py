"""Lapped transforms at half the cost: a frame of two hops is folded to one before the product.

The cosines of an MDCT are odd about the middle of a frame's first half and even about that of its
second; the sines beside them the other way round. So samples at the same distance from a middle are
added or subtracted first, and the product needs every other row of the table only. Tables are those
of `features/mdct.lapped_basis`, (2 * hop, coefficients). They are rounded to float32, so in float64
they do not fold.
"""

import numpy as np

from audiocodec.graphs.builder import Value, concat


def analyse(blocks: Value, cosines: Value, sines: Value, hop: int) -> tuple[Value, Value]:
    """Coefficients (batch, frames, n) of both waves in blocks (batch, 1 + frames, hop)."""
    rising, falling = (part * _once(hop) for part in _window(hop))
    left, right = blocks.slice(2, 0, -(-hop // 2)), _turned(blocks.slice(2, hop // 2))
    older = left * rising, right * falling
    newer = left * falling, right * rising
    odd, even = older[0] - older[1], newer[0] + newer[1]
    cosine = _joined(odd, even) @ _rows(cosines, hop)
    odd, even = newer[0] - newer[1], older[0] + older[1]
    return cosine, _joined(even, odd) @ _rows(sines, hop)


def _joined(older: Value, newer: Value) -> Value:
    return concat([older.slice(1, 0, -1), newer.slice(1, 1)])


def synthesise(coefficients: Value, cosines: Value, hop: int) -> tuple[Value, Value]:
    """What coefficients (batch, frames, n) add to their block and to the next one, for `overlap`.

    (batch, frames, ceil(hop / 2)) each.
    """
    half = -(-hop // 2)
    now, later = (coefficients @ _rows(cosines, hop).transpose(1, 0)).split([half, half])
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


def _rows(waves: Value, hop: int) -> Value:
    """The first and third quarter of the rows (2 * hop, n) of waves, without their window."""
    half, (rising, falling) = -(-hop // 2), _window(hop)
    first, third = waves.slice(0, 0, half), waves.slice(0, hop, hop + half)
    return concat([first * (1 / rising[:, None]), third * (1 / falling[:, None])], axis=0)
