"""Seeded damage to files: flips, cuts, edits of the header, numbers that promise too much."""

import struct
import zlib
from collections.abc import Callable

import numpy as np

from audiocodec.containers.npz import archive

Mutation = Callable[[bytearray, np.random.Generator], None]
_BOMBS = [0, 1, 0x7F, 0xFF, 0xFFFF, 1 << 31, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, (1 << 64) - 1]


def flip_bits(data: bytearray, rng: np.random.Generator) -> None:
    for bit in rng.integers(0, 8 * len(data), rng.integers(1, 9)):
        data[bit // 8] ^= 1 << bit % 8


def truncate(data: bytearray, rng: np.random.Generator) -> None:
    del data[rng.integers(0, len(data)) :]


def extend(data: bytearray, rng: np.random.Generator) -> None:
    data += rng.bytes(int(rng.integers(1, 200)))


def edit_header(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(0, min(200, len(data))))
    data[start : start + int(rng.integers(1, 9))] = rng.bytes(int(rng.integers(0, 9)))


def promise_too_much(data: bytearray, rng: np.random.Generator) -> None:
    kind = str(rng.choice(["<H", "<I", "<Q", ">I", ">Q"]))
    size = struct.calcsize(kind)
    start = int(rng.integers(0, max(1, min(300, len(data)) - size)))
    value = _BOMBS[rng.integers(len(_BOMBS))] & ((1 << 8 * size) - 1)
    data[start : start + size] = struct.pack(kind, value)


def change_digits(data: bytearray, rng: np.random.Generator) -> None:
    places = [
        index for index, byte in enumerate(data) if chr(byte).isdigit() and chr(byte).isascii()
    ]
    if places:
        place = places[rng.integers(len(places))]
        data[place : place + 1] = b"9" * int(rng.integers(1, 25))


def move_a_piece(data: bytearray, rng: np.random.Generator) -> None:
    start, stop, target = (int(place) for place in rng.integers(0, len(data), 3))
    piece = bytes(data[start:stop])
    data[target:target] = piece


MUTATIONS: list[Mutation] = [
    flip_bits,
    truncate,
    extend,
    edit_header,
    promise_too_much,
    change_digits,
    move_a_piece,
]


def mutated(original: bytes, seed: int) -> bytes:
    """`original` after one to three mutations; the same for the same seed."""
    rng = np.random.default_rng(seed)
    data = bytearray(original)
    for index in rng.integers(0, len(MUTATIONS), rng.integers(1, 4)):
        if data:
            MUTATIONS[index](data, rng)
    return bytes(data)


def with_checksum_at_the_end(data: bytes) -> bytes:
    """The last four bytes replaced by what a plain `.npy` code file has there."""
    return data[:-4] + struct.pack("<I", zlib.crc32(data[:-4]))


def with_checksum_of_the_header(data: bytes) -> bytes:
    """The checksum of a `.codec` file's or a stream's header made to fit, where there is one."""
    if len(data) < 16:
        return data
    end = 16 + struct.unpack_from("<I", data, 12)[0]
    if end + 4 > len(data):
        return data
    return data[:end] + struct.pack("<I", zlib.crc32(data[:end])) + data[end + 4 :]


def with_checksums_of_an_archive(data: bytes) -> bytes:
    """A `.npz` code file around the members that the headers of `data` claim, where they can be."""
    position, members = 0, []
    for name in (b"codes.npy", b"metadata.json"):
        begin = position + 30 + len(name)
        if len(data) < begin:
            return data
        (size,) = struct.unpack_from("<I", data, position + 18)
        members.append(data[begin : begin + size])
        position = begin + size
    return archive(*members)
