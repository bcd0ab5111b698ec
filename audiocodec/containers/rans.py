"""Asymmetric numeral systems (arXiv:1311.2540) over integer tables: range coding as a stack.

Every stage of every channel of every block is a coder of its own, a lane; all lanes take one step
at a time, as array operations. Stage s codes frame t in step t + s: then all that its context can
be made of was coded in earlier steps. The last frame is the state that the encoder starts from:
a state takes as many bits whatever it is.

Written here, in integers, because the libraries at hand take probabilities as floats and promise
the conversion neither between versions nor between machines.
"""

from collections.abc import Sequence

import numpy as np

from audiocodec.containers.tables import MAX_DELAY, PRECISION, EntropyTables
from audiocodec.errors import CodeFileError

_LOW = 1 << 16  # the state stays in [2**16, 2**32) and gives or takes words of 16 bits
_MASK = (1 << PRECISION) - 1


def encode(blocks: Sequence[np.ndarray], num_quantizers: int, tables: EntropyTables) -> list[bytes]:
    """The payload of each block of codes (channels * num_quantizers, frames).

    It is the final state of every lane, then the words; computed backwards, since the last code in
    is the first one out.
    """
    frames = np.array([block.shape[-1] for block in blocks])
    known = _no_codes(len(blocks), len(blocks[0]), num_quantizers, int(frames.max()))
    first = known.shape[-1] - int(frames.max()) - num_quantizers + 1
    for block, into in zip(blocks, known, strict=True):
        into[:, first : first + block.shape[-1]] = block.astype(np.int64) + 1
    lanes = _Lanes(known, num_quantizers, frames, tables)
    intervals = [
        _intervals(tables.ends(lanes.contexts(step)), lanes.codes(step))
        for step in range(lanes.steps)
    ]
    state = np.stack([_LOW + block[:, -1].astype(np.int64) for block in blocks])
    emitted = np.zeros((lanes.steps, *state.shape), dtype=bool)
    words = np.zeros(emitted.shape, dtype="<u2")
    for step in reversed(range(lanes.steps)):
        start, frequency = intervals[step]
        active = lanes.active(step)
        emitted[step] = active & (state >= frequency << (32 - PRECISION))
        words[step] = state & 0xFFFF
        quotient, remainder = np.divmod(state >> 16 * emitted[step], frequency)
        state = np.where(active, (quotient << PRECISION) + remainder + start, state)
    return [
        state[b].astype("<u4").tobytes() + words[:, b][emitted[:, b]].tobytes()
        for b in range(len(blocks))
    ]


def decode(
    payloads: Sequence[bytes],
    frames: Sequence[int],
    channels: int,
    num_quantizers: int,
    tables: EntropyTables,
) -> list[np.ndarray]:
    """The inverse of `encode`: of each block (channels * num_quantizers, its frames), int64.

    Raises:
        CodeFileError: bytes that `encode` did not write.
    """
    num_lanes = channels * num_quantizers
    for payload in payloads:
        if len(payload) < 4 * num_lanes or len(payload) % 2:
            raise CodeFileError(f"damaged: an entropy coded block of {len(payload)} bytes")
    heads = b"".join(payload[: 4 * num_lanes] for payload in payloads)
    state = np.frombuffer(heads, "<u4").reshape(len(payloads), num_lanes).astype(np.int64)
    if (state < _LOW).any():
        raise CodeFileError("damaged: an entropy coded block starts with an impossible state")
    bodies = b"".join(payload[4 * num_lanes :] for payload in payloads)
    # A block that ends too early reads at most one word for each lane before that is noticed.
    words = np.append(np.frombuffer(bodies, "<u2").astype(np.int64), [0] * num_lanes)
    stops = np.cumsum([(len(payload) - 4 * num_lanes) // 2 for payload in payloads])
    position = np.append(0, stops[:-1])
    longest = max(frames)
    known = _no_codes(len(payloads), num_lanes, num_quantizers, longest)
    lanes = _Lanes(known, num_quantizers, np.array(frames), tables)
    for step in range(lanes.steps):
        ends, slot, active = tables.ends(lanes.contexts(step)), state & _MASK, lanes.active(step)
        # The last code whose start, begin * 2**16 // total, is not above the slot.
        reached = ((slot + 1) * ends[..., -1] - 1) >> PRECISION
        codes = (ends <= reached[..., None]).sum(-1)
        start, frequency = _intervals(ends, codes)
        state = np.where(active, frequency * (state >> PRECISION) + slot - start, state)
        lanes.set_codes(step, np.where(active, codes, -1))
        short = state < _LOW
        taken = position[:, None] + short.cumsum(1)
        state = np.where(short, state << 16 | words[taken - 1], state)
        position = taken[:, -1]
        if (position > stops).any():
            raise CodeFileError("damaged: an entropy coded block ends too early")
    last = state - _LOW
    if (last >= np.array(tables.codebook_sizes)[lanes.stages]).any() or (position != stops).any():
        raise CodeFileError("damaged: an entropy coded block goes on after its last code")
    lanes.set_last(last)
    first = known.shape[-1] - longest - num_quantizers + 1
    return [rows[:, first : first + length] - 1 for rows, length in zip(known, frames, strict=True)]


def _no_codes(blocks: int, lanes: int, num_quantizers: int, frames: int) -> np.ndarray:
    """(blocks, lanes, time): code + 1 of every frame or 0 for none, with margins of none.

    Before the first frame lie those that contexts may ask for, and on both sides those by which
    the lanes are apart.
    """
    return np.zeros(
        (blocks, lanes, MAX_DELAY + num_quantizers - 1 + frames + num_quantizers - 1), np.int64
    )


def _intervals(ends: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and frequency of each code, of `ends` (..., codebook size)."""
    end = np.take_along_axis(ends, np.maximum(codes, 0)[..., None], -1)[..., 0].astype(np.int64)
    before = np.take_along_axis(ends, np.maximum(codes - 1, 0)[..., None], -1)[..., 0]
    begin = np.where(codes > 0, before, 0).astype(np.int64)
    total = ends[..., -1].astype(np.int64)
    start = (begin << PRECISION) // total
    return start, (end << PRECISION) // total - start


class _Lanes:
    """Where each lane is in `known`, step by step."""

    def __init__(
        self, known: np.ndarray, num_quantizers: int, frames: np.ndarray, tables: EntropyTables
    ) -> None:
        blocks, lanes, length = known.shape
        self.known, self.coded = known.reshape(-1), frames[:, None] - 1  # frames
        self.steps = int(self.coded.max()) + num_quantizers - 1
        self.stages = np.arange(lanes) % num_quantizers
        rows = np.arange(blocks * lanes).reshape(blocks, lanes)
        self.own = rows * length + MAX_DELAY + num_quantizers - 1 - self.stages
        sources = np.stack(tables.sources[:num_quantizers])[self.stages].astype(np.int64)
        delays, stages = sources[..., 0], sources[..., 1]
        self.sources = self.own[..., None] - delays + (stages - self.stages[:, None]) * length
        self.class_begins = tables.class_begins[self.stages]
        self.row_numbers = tables.row_numbers

    def contexts(self, step: int) -> np.ndarray:
        """(blocks, lanes, 3) rows of the tables."""
        return self.row_numbers[self.known[self.sources + step] + self.class_begins]

    def active(self, step: int) -> np.ndarray:
        """Whether a lane is within its block's frames, the last left out."""
        time = step - self.stages
        return (time >= 0) & (time < self.coded)

    def codes(self, step: int) -> np.ndarray:
        """What the lanes code in this step."""
        return self.known[self.own + step] - 1

    def set_codes(self, step: int, codes: np.ndarray) -> None:
        self.known[self.own + step] = codes + 1

    def set_last(self, codes: np.ndarray) -> None:
        self.known[self.own + self.stages + self.coded] = codes + 1
