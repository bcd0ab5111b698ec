"""Codes as a string of bits: frame by frame, channel by channel, stage by stage, high bit first."""

from collections.abc import Sequence

import numpy as np

from audiocodec.errors import CodeFileError


def bit_widths(codebook_sizes: Sequence[int]) -> list[int]:
    """Bits that a code of each stage needs."""
    return [(size - 1).bit_length() for size in codebook_sizes]


def packed_size(num_frames: int, channels: int, codebook_sizes: Sequence[int]) -> int:
    """Bytes of a block."""
    return -(-num_frames * channels * sum(bit_widths(codebook_sizes)) // 8)


def pack(rows: np.ndarray, codebook_sizes: Sequence[int]) -> bytes:
    """Bytes of codes (channels * num_quantizers, frames); the last byte ends with zero bits."""
    widths = bit_widths(codebook_sizes) * (len(rows) // len(codebook_sizes))
    columns = [
        (row[:, None].astype(np.uint32) >> np.arange(width)[::-1].astype(np.uint32)) & 1
        for row, width in zip(rows, widths, strict=True)
    ]
    return np.packbits(np.concatenate(columns, axis=1).astype(np.uint8)).tobytes()


def unpack(
    payload: bytes, num_frames: int, channels: int, codebook_sizes: Sequence[int]
) -> np.ndarray:
    """The inverse of `pack`: (channels * num_quantizers, frames), int64.

    Raises:
        CodeFileError: a bit is set after the last code.
    """
    widths = bit_widths(codebook_sizes) * channels
    bits = np.unpackbits(np.frombuffer(payload, np.uint8))
    used = num_frames * sum(widths)
    if bits[used:].any():
        raise CodeFileError("damaged: bits are set after the last code of a block")
    columns = np.split(bits[:used].reshape(num_frames, -1), np.cumsum(widths)[:-1], axis=1)
    weights = [np.int64(1) << np.arange(width, dtype=np.int64)[::-1] for width in widths]
    return np.stack([column @ weight for column, weight in zip(columns, weights, strict=True)])
