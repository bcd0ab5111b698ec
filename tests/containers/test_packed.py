"""The compact container: whole bits, blocks that are read alone, checksums that hold places."""

import dataclasses
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiocodec.containers.bits import pack, packed_size, unpack
from audiocodec.containers.metadata import CodesMetadata
from audiocodec.containers.packed import BLOCK_FRAMES, read, read_frames, write
from audiocodec.errors import CodeFileError

FRAMES = 2 * BLOCK_FRAMES + 77
METADATA = CodesMetadata(
    model="tiny",
    model_hash="0123456789abcdef",
    sample_rate=24_000,
    hop_length=320,
    codebook_sizes=(1024, 300, 3),
    num_samples=FRAMES * 320 - 9,
    source_sample_rate=24_000,
    source_num_samples=FRAMES * 320 - 9,
    source_channels=2,
)


def random_codes(*leading: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, np.array([[1024], [300], [3]]), (*leading, 3, FRAMES))


def written(codes: np.ndarray) -> io.BytesIO:
    file = io.BytesIO()
    write(file, codes, METADATA)
    file.seek(0)
    return file


@given(
    st.lists(st.integers(2, 1 << 32), min_size=1, max_size=4), st.integers(1, 3), st.integers(1, 40)
)
def test_packing_keeps_every_code_in_no_more_bits_than_needed(sizes, channels, frames):
    limits = np.tile(np.array(sizes), channels)[:, None]
    codes = np.random.default_rng(0).integers(0, limits, (channels * len(sizes), frames))
    payload = pack(codes, sizes)
    assert len(payload) == packed_size(frames, channels, sizes)
    np.testing.assert_array_equal(unpack(payload, frames, channels, sizes), codes)


def test_bits_run_frame_by_frame_from_the_high_one():
    codes = np.array([[0b1000000001, 0b0111111110], [0b10, 0b01]])
    assert pack(codes, [1024, 4]) == bytes([0b10000000, 0b01100111, 0b11111001])


def test_ten_bits_are_spent_on_1024_codes():
    size = len(written(random_codes()).getvalue())
    assert size == pytest.approx(FRAMES * (10 + 9 + 2) / 8, abs=120 + 8 * 3)


@pytest.mark.parametrize("leading", [(), (2,)])
@pytest.mark.parametrize(
    ("start", "stop"),
    [(0, 1), (0, FRAMES), (1023, 1025), (1024, 2048), (FRAMES - 1, FRAMES), (500, 2100)],
)
def test_any_frames_are_read_alone(leading, start, stop):
    codes = random_codes(*leading)
    file = written(codes)
    np.testing.assert_array_equal(read_frames(file, start, stop), codes[..., start:stop])


def test_damage_elsewhere_does_not_hinder_reading_a_block():
    codes = random_codes()
    data = bytearray(written(codes).getvalue())
    data[-9] ^= 1  # in the last block
    frames = read_frames(io.BytesIO(data), 0, 2 * BLOCK_FRAMES)
    np.testing.assert_array_equal(frames, codes[:, : 2 * BLOCK_FRAMES])
    with pytest.raises(CodeFileError, match="block 2"):
        read_frames(io.BytesIO(data), 0, FRAMES)
    for start, stop in [(-1, 5), (5, 5), (0, FRAMES + 1)]:
        with pytest.raises(CodeFileError, match="frames"):
            read_frames(io.BytesIO(data), start, stop)


def test_blocks_that_changed_places_are_noticed():
    data = written(random_codes()).getvalue()
    block = packed_size(BLOCK_FRAMES, 1, METADATA.codebook_sizes) + 4
    rest = packed_size(77, 1, METADATA.codebook_sizes) + 4
    header, tail = data[: -rest - 2 * block], data[-rest:]
    first, second = data[-rest - 2 * block : -rest - block], data[-rest - block : -rest]
    with pytest.raises(CodeFileError, match="block 0"):
        read(header[:8], io.BytesIO(header[8:] + second + first + tail))


def with_fields(change: bytes, at: int) -> bytes:
    """A file whose header was changed and given a fitting checksum."""
    data = bytearray(written(random_codes()).getvalue())
    data[at : at + len(change)] = change
    size = 16 + struct.unpack_from("<I", data, 12)[0]
    struct.pack_into("<I", data, size, zlib.crc32(data[:size]))
    return bytes(data)


@pytest.mark.parametrize(
    ("at", "change", "reason"),
    [
        (8, struct.pack("<I", 9), "version 9 is unknown"),
        (16, b"\x02", "no version 1 file"),
        (20, struct.pack("<I", 0), "no version 1 file"),
        (32, struct.pack("<Q", 1 << 62), "num_samples"),
        (32, struct.pack("<Q", 1 << 40), "does not list"),
        (40, struct.pack("<I", 1 << 30), "too large"),
        (40, struct.pack("<I", 0), "too large"),
        (44, b"\xff\xff", "too short|JSON|must be"),
        (48, b"\xff", "does not list|too short"),
    ],
)
def test_headers_that_cannot_be_are_refused_though_the_checksum_fits(at, change, reason):
    data = with_fields(change, at)
    with pytest.raises(CodeFileError, match=reason):
        read(data[:8], io.BytesIO(data[8:]))


def test_a_header_larger_than_the_file_allocates_nothing():
    data = written(random_codes()).getvalue()
    for size in (1 << 31, 1 << 21):
        with pytest.raises(CodeFileError, match=r"claims|truncated"):
            read(data[:8], io.BytesIO(data[8:12] + struct.pack("<I", size) + data[16:]))


def test_codes_beyond_their_codebook_are_refused():
    file = written(random_codes())
    data = bytearray(file.getvalue())
    wrong = dataclasses.replace(METADATA, codebook_sizes=(1000, 300, 3))  # also ten bits
    other = io.BytesIO()
    write(other, random_codes() % 900 % np.array([[1000], [300], [3]]), wrong)
    start = len(other.getvalue()) - sum(
        packed_size(frames, 1, wrong.codebook_sizes) + 4 for frames in (1024, 1024, 77)
    )
    mixed = other.getvalue()[:start] + bytes(data[start:])
    with pytest.raises(CodeFileError, match="outside their codebooks"):
        read(mixed[:8], io.BytesIO(mixed[8:]))
