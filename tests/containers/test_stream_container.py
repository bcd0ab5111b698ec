"""Streams of codes: what is read has been written, damage and loss are noticed."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiocodec.containers import stream
from audiocodec.containers.stream import StreamHeader, StreamWriter, read_header, read_packets
from audiocodec.errors import CodeFileError

HEADER = StreamHeader("tiny", "0123456789abcdef", 24_000, 320, (1024, 300, 3))


def random_codes(frames: int, seed: int = 0) -> np.ndarray:
    sizes = np.array(HEADER.codebook_sizes)[:, None]
    return np.random.default_rng(seed).integers(0, sizes, (3, frames))


def written(*pieces: tuple[np.ndarray, int]) -> bytes:
    file = io.BytesIO()
    writer = StreamWriter(file, HEADER)
    for codes, num_samples in pieces:
        writer.write(codes, num_samples)
    writer.end()
    return file.getvalue()


def read(data: bytes) -> list[tuple[np.ndarray, int]]:
    file = io.BytesIO(data)
    header = read_header(file)
    assert header == HEADER
    return list(read_packets(file, header))


@given(st.lists(st.integers(0, 2_000), max_size=6))
def test_what_is_written_is_read(lengths: list[int]) -> None:
    pieces = [(random_codes(-(-length // 320)), length) for length in lengths]
    packets = read(written(*pieces))
    kept = [piece for piece in pieces if piece[1]]
    assert [length for _, length in packets] == [length for _, length in kept]
    for (codes, _), (expected, _) in zip(packets, kept, strict=True):
        np.testing.assert_array_equal(codes, expected)


def test_large_pieces_become_several_packets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_PACKET_CODES", 3 * 4)
    codes = random_codes(10)
    packets = read(written((codes, 10 * 320 - 7)))
    assert [length for _, length in packets] == [4 * 320, 4 * 320, 2 * 320 - 7]
    np.testing.assert_array_equal(np.concatenate([part for part, _ in packets], axis=1), codes)


def test_every_flipped_bit_and_every_truncation_is_noticed() -> None:
    data = written((random_codes(3), 900), (random_codes(2, 1), 640))
    for position in range(len(data)):
        with pytest.raises(CodeFileError):
            read(data[:position])
        for bit in range(8):
            damaged = bytearray(data)
            damaged[position] ^= 1 << bit
            with pytest.raises(CodeFileError):
                read(bytes(damaged))


def test_lost_or_exchanged_packets_are_noticed() -> None:
    pieces = [(random_codes(2, seed), 640) for seed in range(3)]
    data, start = written(*pieces), len(written()) - 8
    size = (len(data) - start - 8) // 3
    first, second, third, end = (data[start + i * size :][:size] for i in range(4))
    for packets in (second + third, first + third, second + first + third, first + second):
        with pytest.raises(CodeFileError, match="packet"):
            read(data[:start] + packets + end)


def test_packets_before_damage_have_been_right() -> None:
    data = written((random_codes(3), 960), (random_codes(3, 1), 960))
    file = io.BytesIO(data[:-20])
    packets = read_packets(file, read_header(file))
    codes, length = next(packets)
    assert length == 960
    np.testing.assert_array_equal(codes, random_codes(3))
    with pytest.raises(CodeFileError, match="before its end mark"):
        next(packets)


@pytest.mark.parametrize(
    "fields",
    [
        b"[]",
        b"{",
        b'{"model":"x"}',
        b'{"model":"x","model_hash":"y","sample_rate":0,"hop_length":1,"codebook_sizes":[2]}',
        b'{"model":"x","model_hash":"y","sample_rate":1,"hop_length":1.5,"codebook_sizes":[2]}',
        b'{"model":"x","model_hash":"y","sample_rate":1,"hop_length":1,"codebook_sizes":[]}',
        b'{"model":"x","model_hash":"y","sample_rate":1,"hop_length":1,"codebook_sizes":[1e9]}',
        b'{"model":"x","model_hash":1,"sample_rate":1,"hop_length":1,"codebook_sizes":"ab"}',
        b"[" * 30_000,
    ],
)
def test_a_header_that_cannot_be_is_refused(fields: bytes) -> None:
    start = stream.MAGIC + stream._START.pack(1, len(fields)) + fields
    crc = stream.zlib.crc32(start).to_bytes(4, "little")
    with pytest.raises(CodeFileError, match="header"):
        read_header(io.BytesIO(start + crc))


def test_other_versions_sizes_and_files_are_refused_in_one_line() -> None:
    start = stream.MAGIC + stream._START.pack(2, 0)
    crc = stream.zlib.crc32(start).to_bytes(4, "little")
    with pytest.raises(CodeFileError, match="version 2"):
        read_header(io.BytesIO(start + crc))
    with pytest.raises(CodeFileError, match="4294967295 bytes"):
        read_header(io.BytesIO(stream.MAGIC + stream._START.pack(1, 0xFFFFFFFF)))
    with pytest.raises(CodeFileError, match="not a stream of codes"):
        read_header(io.BytesIO(b"RIFF1234WAVE"))
    file = io.BytesIO(b"\xff\xff\xff\xff")
    with pytest.raises(CodeFileError, match="claims"):
        next(read_packets(file, HEADER))


def test_codes_beyond_the_codebooks_of_the_header_are_refused():
    header = StreamHeader("m", "0" * 16, 24_000, 320, (5, 5))
    file = io.BytesIO()
    writer = StreamWriter(file, header)
    writer.write(np.array([[1], [7]]), 320)  # 3 bits hold a 7, the codebook does not
    writer.end()
    file.seek(0)
    with pytest.raises(CodeFileError, match="outside its own codebooks"):
        list(read_packets(file, read_header(file)))
