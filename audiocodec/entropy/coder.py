"""Asymmetric numeral systems (arXiv:1311.2540) over integer tables: range coding as a stack.

Codes go frame by frame, channel by channel, stage by stage, as in a bit-packed block. What is
probable is computed from the codes before by the network of `model.py`, which the decoder runs
after every code. That is a loop over codes that no array operation can replace; numba compiles it.

Written here, in integers, because the libraries at hand take probabilities as floats and promise
the conversion neither between versions nor between machines.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from audiocodec.entropy.model import ACTIVATION, PRECISION, EntropyTables, Layer, powers
from audiocodec.errors import CodeFileError
from audiocodec.extras import extra

with extra("entropy"):
    import numba

_LOW = 1 << 16  # the state stays in [2**16, 2**32) and gives or takes words of 16 bits
_MASK = (1 << PRECISION) - 1
_POWERS = powers()


def _compiled(function: Callable[..., Any]) -> Any:
    """The function in machine code, made when first called and kept for later processes."""
    try:
        return numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:  # no folder to keep it in can be written to
        return numba.njit(nogil=True)(function)


def encode(block: np.ndarray, num_quantizers: int, tables: EntropyTables) -> bytes:
    """The payload of a block of codes (channels * num_quantizers, frames).

    It is the final state, then the words; computed backwards, since the last code in is the first
    one out.
    """
    codes = np.ascontiguousarray(block.reshape(-1, num_quantizers, block.shape[-1]), dtype=np.int64)
    words, state = _encode(codes, _network(tables))
    return int(state).to_bytes(4, "little") + words.astype("<u2").tobytes()


def decode(
    payload: bytes, frames: int, channels: int, num_quantizers: int, tables: EntropyTables
) -> np.ndarray:
    """The inverse of `encode`: (channels * num_quantizers, frames) int64.

    Raises:
        CodeFileError: bytes that `encode` did not write.
    """
    if len(payload) < 4 or len(payload) % 2:
        raise CodeFileError(f"damaged: an entropy coded block of {len(payload)} bytes")
    words = np.frombuffer(payload, "<u2").astype(np.int64)
    codes = np.empty((channels, num_quantizers, frames), dtype=np.int64)
    if not _decode(words, codes, _network(tables)):
        raise CodeFileError("damaged: an entropy coded block does not end where its codes do")
    return codes.reshape(-1, frames)


class _Linear(NamedTuple):
    """A layer, or that of every stage one behind the other; flat, so that loops are vectorized.

    weight: int8 (layers * inputs * outputs,); bias, shift: int32 (layers * outputs,).
    """

    weight: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    inputs: int
    outputs: int


class _Network(NamedTuple):
    """The tables as arrays for compiled loops.

    vectors: int8, (dim, codebook size) of each stage, flat; bias: int32 (all codes,).
    shift: int32 (stages,); begins: where each stage begins in `bias`, and where the last ends.
    """

    shared: _Linear
    inner: _Linear
    outer: _Linear
    vectors: np.ndarray
    bias: np.ndarray
    shift: np.ndarray
    begins: np.ndarray


@lru_cache(maxsize=4)
def _network(tables: EntropyTables) -> _Network:
    stages = tables.stages
    return _Network(
        _linear([tables.shared]),
        _linear([stage.inner for stage in stages]),
        _linear([stage.outer for stage in stages]),
        np.concatenate([stage.vectors.T.ravel() for stage in stages]),
        np.concatenate([stage.bias for stage in stages]),
        np.array([stage.shift for stage in stages], dtype=np.int32),
        np.cumsum([0, *tables.codebook_sizes]),
    )


def _linear(layers: list[Layer]) -> _Linear:
    outputs, inputs = layers[0].weight.shape
    return _Linear(
        np.concatenate([layer.weight.T.ravel() for layer in layers]),
        np.concatenate([layer.bias for layer in layers]),
        np.concatenate([layer.shift for layer in layers]).astype(np.int32),
        inputs,
        outputs,
    )


@_compiled
def _multiply(inputs: np.ndarray, weight: np.ndarray, sums: np.ndarray) -> None:
    """sums += inputs @ weight, a flat (inputs, outputs)."""
    outputs = len(sums)
    for i in range(len(inputs)):
        factor = inputs[i]
        if factor != 0:  # half of what a layer gives is
            row = weight[i * outputs : (i + 1) * outputs]
            for k in range(outputs):
                sums[k] += np.int32(factor * row[k])


@_compiled
def _apply(
    layer: _Linear, stage: int, inputs: np.ndarray, lowest: int, outputs: np.ndarray
) -> None:
    """`outputs` of the layer of a stage."""
    size = layer.outputs
    outputs[:] = layer.bias[stage * size : (stage + 1) * size]
    begin = stage * layer.inputs * size
    _multiply(inputs, layer.weight[begin : begin + layer.inputs * size], outputs)
    shifts = layer.shift[stage * size : (stage + 1) * size]
    for k in range(size):
        outputs[k] = min(max(outputs[k] >> shifts[k], lowest), ACTIVATION)


@_compiled
def _cumulate(sums: np.ndarray, shift: int) -> None:
    """From `sums`, how probable codes are, to the sums of the weights of all codes up to each.

    The part of a code in 2**16 is that of its weight in the sum of all, and at least 1.
    """
    most = sums[0]
    for k in range(len(sums)):
        most = max(most, sums[k])
    most >>= shift
    total = 0
    for k in range(len(sums)):
        weight = _POWERS[min(most - (sums[k] >> shift), len(_POWERS) - 1)]
        sums[k] = weight
        total += weight
    least = np.int32((total >> (PRECISION - 1)) + 1)
    so_far = np.int32(0)
    for k in range(len(sums)):
        so_far += max(sums[k], least)
        sums[k] = so_far


class _Memory(NamedTuple):
    """What is known of the codes of a block, of all its channels.

    past: (channels, frames back * dim), sums of vectors, the last frame first.
    seen: what all stages of a frame share, then the sum of the vectors of the stages before.
    inner, direction, ends: of the stage at hand; `ends` has room for the largest codebook.
    """

    past: np.ndarray
    seen: np.ndarray
    inner: np.ndarray
    direction: np.ndarray
    ends: np.ndarray


@_compiled
def _memory(channels: int, network: _Network) -> _Memory:
    dim = network.outer.outputs
    return _Memory(
        np.zeros((channels, network.shared.inputs), dtype=np.int32),
        np.zeros(network.shared.outputs + dim, dtype=np.int32),
        np.zeros(network.inner.outputs, dtype=np.int32),
        np.zeros(dim, dtype=np.int32),
        np.zeros(network.begins[-1], dtype=np.int32),
    )


@_compiled
def _begin_frame(memory: _Memory, channel: int, network: _Network) -> None:
    shared = network.shared.outputs
    _apply(network.shared, 0, memory.past[channel], 0, memory.seen[:shared])
    memory.seen[shared:] = 0


@_compiled
def _predict(memory: _Memory, stage: int, network: _Network) -> np.ndarray:
    """Sums of the weights of all codes of a stage up to each."""
    begin, end, dim = network.begins[stage], network.begins[stage + 1], network.outer.outputs
    _apply(network.inner, stage, memory.seen, 0, memory.inner)
    _apply(network.outer, stage, memory.inner, -ACTIVATION, memory.direction)
    ends = memory.ends[begin:end]
    ends[:] = network.bias[begin:end]
    _multiply(memory.direction, network.vectors[dim * begin : dim * end], ends)
    _cumulate(ends, network.shift[stage])
    return ends


@_compiled
def _note(memory: _Memory, stage: int, code: int, network: _Network) -> None:
    """A code of this frame is known now."""
    begin, size = network.begins[stage], network.begins[stage + 1] - network.begins[stage]
    for i in range(network.outer.outputs):
        at = network.outer.outputs * begin + i * size + code
        memory.seen[network.shared.outputs + i] += network.vectors[at]


@_compiled
def _end_frame(memory: _Memory, channel: int, network: _Network) -> None:
    past, dim = memory.past[channel], network.outer.outputs
    for i in range(len(past) - 1, dim - 1, -1):
        past[i] = past[i - dim]
    past[:dim] = memory.seen[network.shared.outputs :]


@_compiled
def _interval(ends: np.ndarray, code: int) -> tuple[np.int64, np.int64]:
    """Start and frequency of a code."""
    total = np.int64(ends[-1])
    before = np.int64(ends[code - 1]) if code > 0 else np.int64(0)
    start = (before << PRECISION) // total
    return start, (np.int64(ends[code]) << PRECISION) // total - start


@_compiled
def _encode(codes: np.ndarray, network: _Network) -> tuple[np.ndarray, np.int64]:
    """Words, and the final state."""
    channels, stages, frames = codes.shape
    count = channels * stages * frames
    starts, sizes = np.empty(count, dtype=np.int64), np.empty(count, dtype=np.int64)
    memory = _memory(channels, network)
    index = 0
    for frame in range(frames):
        for channel in range(channels):
            _begin_frame(memory, channel, network)
            for stage in range(stages):
                code = codes[channel, stage, frame]
                ends = _predict(memory, stage, network)
                starts[index], sizes[index] = _interval(ends, code)
                index += 1
                _note(memory, stage, code, network)
            _end_frame(memory, channel, network)
    words = np.empty(count, dtype=np.uint16)  # filled from the end
    first, state = count, np.int64(_LOW)
    for index in range(count - 1, -1, -1):
        start, size = starts[index], sizes[index]
        if state >= size << (32 - PRECISION):
            first -= 1
            words[first] = state & 0xFFFF
            state >>= 16
        state = (state // size << PRECISION) + state % size + start
    return words[first:], state


@_compiled
def _decode(words: np.ndarray, codes: np.ndarray, network: _Network) -> bool:
    """Fill `codes`; true if the words, of which the first two are the state, end with the codes."""
    channels, stages, frames = codes.shape
    memory = _memory(channels, network)
    state, position = words[0] | words[1] << 16, 2
    if state < _LOW:
        return False
    for frame in range(frames):
        for channel in range(channels):
            _begin_frame(memory, channel, network)
            for stage in range(stages):
                ends = _predict(memory, stage, network)
                slot = state & _MASK
                # The last code whose start, before * 2**16 // total, is not above the slot.
                reached = ((slot + 1) * np.int64(ends[-1]) - 1) >> PRECISION
                code = np.searchsorted(ends, reached, side="right")
                start, size = _interval(ends, code)
                state = size * (state >> PRECISION) + slot - start
                if state < _LOW:
                    if position == len(words):
                        return False
                    state = state << 16 | words[position]
                    position += 1
                codes[channel, stage, frame] = code
                _note(memory, stage, code, network)
            _end_frame(memory, channel, network)
    return state == _LOW and position == len(words)
