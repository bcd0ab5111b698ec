"""Asymmetric numeral systems (arXiv:1311.2540) over integer tables: range coding as a stack.

Written here, in integers, because the libraries at hand take probabilities as floats and promise
the conversion neither between versions nor between machines.
"""

import struct
from bisect import bisect_right

import numpy as np

from audiocodec.containers.tables import PRECISION, EntropyTables
from audiocodec.errors import CodeFileError

_LOW = 1 << 16  # the state stays in [2**16, 2**32) and gives or takes words of 16 bits
_MASK = (1 << PRECISION) - 1


def encode(rows: np.ndarray, num_quantizers: int, tables: EntropyTables) -> bytes:
    """Bytes of codes (channels * num_quantizers, frames): the final state, then the words.

    Channel by channel, frame by frame, stage by stage; computed backwards, since the last code in
    is the first one out.
    """
    channels = rows.reshape(-1, num_quantizers, rows.shape[-1])
    in_order = np.concatenate([_intervals(codes, tables) for codes in channels], axis=1)
    last_first = in_order[:, ::-1].tolist()
    state, words = _LOW, []
    for frequency, start in zip(*last_first, strict=True):
        if state >= frequency << (32 - PRECISION):
            words.append(state & 0xFFFF)
            state >>= 16
        quotient, remainder = divmod(state, frequency)
        state = (quotient << PRECISION) + remainder + start
    return struct.pack(f"<I{len(words)}H", state, *reversed(words))


def _intervals(codes: np.ndarray, tables: EntropyTables) -> np.ndarray:
    """(2, frames * num_quantizers): frequency and start of every code (num_quantizers, frames)."""
    contexts = tables.contexts(codes)
    stages = range(len(codes))
    frequencies = [tables.frequencies[stage][contexts[stage], codes[stage]] for stage in stages]
    starts = [tables.starts[stage][contexts[stage], codes[stage]] for stage in stages]
    return np.stack([np.stack(frequencies, 1).ravel(), np.stack(starts, 1).ravel()])


def decode(
    payload: bytes, num_frames: int, channels: int, num_quantizers: int, tables: EntropyTables
) -> np.ndarray:
    """The inverse of `encode`: (channels * num_quantizers, frames), int64.

    Raises:
        CodeFileError: bytes that `encode` did not write.
    """
    if len(payload) < 4 or len(payload) % 2:
        raise CodeFileError(f"damaged: an entropy coded block of {len(payload)} bytes")
    state, *words = struct.unpack(f"<I{(len(payload) - 4) // 2}H", payload)
    words.reverse()
    stages = [
        (source, source < stage, classes, tables.start_lists[stage])
        for stage, (source, classes) in enumerate(
            zip(tables.sources[:num_quantizers], tables.class_lists, strict=False)
        )
    ]
    codes: list[list[int]] = []
    nothing = frame = [-1] * num_quantizers  # index -1 is the class of what is not there
    try:
        for index in range(channels * num_frames):
            before, frame = (frame if index % num_frames else nothing), []
            for source, earlier, classes, start_lists in stages:
                known = (frame if earlier else before)[source]
                starts = start_lists[classes[known]]
                slot = state & _MASK
                code = bisect_right(starts, slot) - 1
                start = starts[code]
                state = (starts[code + 1] - start) * (state >> PRECISION) + slot - start
                if state < _LOW:
                    state = state << 16 | words.pop()
                frame.append(code)
            codes.append(frame)
    except IndexError:  # words.pop(): the only list that can be too short
        raise CodeFileError("damaged: an entropy coded block ends too early") from None
    if state != _LOW or words:
        raise CodeFileError("damaged: an entropy coded block goes on after its last code")
    stacked = np.array(codes, dtype=np.int64).reshape(channels, num_frames, num_quantizers)
    return stacked.transpose(0, 2, 1).reshape(-1, num_frames)
