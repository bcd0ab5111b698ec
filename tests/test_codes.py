"""Code files: what is written is read back, by numpy too, and nothing damaged passes."""

import dataclasses
import io
import json
import re
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audiocodec.codes import CODE_SUFFIXES, CodesMetadata, read_codes, read_codes_from, write_codes
from audiocodec.errors import CodecError, CodeFileError

METADATA = CodesMetadata(
    model="tiny",
    model_hash="0123456789abcdef",
    sample_rate=24_000,
    hop_length=320,
    codebook_sizes=(1024, 1024, 300),
    num_samples=16_000,
    source_sample_rate=48_000,
    source_num_samples=32_000,
    source_channels=2,
)


def random_codes(metadata: CodesMetadata = METADATA, channels: int | None = None) -> np.ndarray:
    rng = np.random.default_rng(0)
    sizes = np.array(metadata.codebook_sizes)[:, None]
    shape = (*([channels] if channels else []), len(sizes), metadata.num_frames)
    return rng.integers(0, np.broadcast_to(sizes, shape))


def written(path: Path) -> bytes:
    write_codes(path, random_codes(), METADATA)
    return path.read_bytes()


def with_valid_checksum(body: bytes) -> bytes:
    return body + struct.pack("<I", zlib.crc32(body))


@pytest.mark.parametrize("suffix", CODE_SUFFIXES)
@pytest.mark.parametrize("channels", [None, 2])
@pytest.mark.parametrize(
    ("sizes", "dtype"),
    [((256, 2), "u1"), ((257,), "u2"), ((1000, 1 << 16), "u2"), ((1 << 32,), "u4")],
)
def test_written_codes_and_metadata_are_read_back(tmp_path, suffix, channels, sizes, dtype):
    path = tmp_path / f"a{suffix}"
    metadata = dataclasses.replace(METADATA, codebook_sizes=sizes)
    codes = random_codes(metadata, channels)
    write_codes(path, codes, metadata)
    back, back_metadata = read_codes(path)
    assert back_metadata == metadata and back.dtype == dtype
    np.testing.assert_array_equal(back, codes)
    if suffix == ".npy":
        for array in (np.load(path), np.load(path, mmap_mode="r")):
            assert array.dtype == dtype
            np.testing.assert_array_equal(array, codes)


@given(st.integers(1, 10**7), st.integers(8_000, 96_000), st.integers(1, 2000), st.text(min_size=1))
def test_metadata_survives_json(num_samples, rate, hop_length, name):
    metadata = dataclasses.replace(
        METADATA,
        model=name[:200],
        hop_length=hop_length,
        source_num_samples=num_samples,
        source_sample_rate=rate,
        num_samples=-(-num_samples * 24_000 // rate),
    )
    assert CodesMetadata.from_json(metadata.to_json()) == metadata


@pytest.mark.parametrize("suffix", CODE_SUFFIXES)
def test_every_single_bit_flip_is_detected(tmp_path, suffix):
    data = written(tmp_path / f"a{suffix}")
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(CodeFileError, match=r"^a: "):
            read_codes_from(io.BytesIO(flipped), "a")


@pytest.mark.parametrize("suffix", CODE_SUFFIXES)
def test_every_truncation_and_every_extension_is_detected(tmp_path, suffix):
    data = written(tmp_path / f"a{suffix}")
    for damaged in [data[:size] for size in range(len(data))] + [data + b"\0", data + data]:
        with pytest.raises(CodeFileError):
            read_codes_from(io.BytesIO(damaged), "a")


def test_what_is_no_code_file_is_refused_with_its_reason(tmp_path):
    path = tmp_path / "a.npy"
    for array, reason in [
        (np.array([{"a": 1}], dtype=object), "pickled objects are never read"),
        (np.zeros((3, 50), np.int64), "type '<i8'"),
        (np.asfortranarray(np.zeros((3, 50), np.uint16)), "fortran_order True"),
        (np.zeros((3, 50), np.uint16), "without metadata"),
        (np.zeros((0, 50), np.uint16), "2 or 3 axes"),
        (np.zeros(50, np.uint16), "2 or 3 axes"),
    ]:
        np.save(path, array, allow_pickle=True)
        with pytest.raises(CodeFileError, match=reason):
            read_codes(path)
    with pytest.raises(CodeFileError, match="No such file"):
        read_codes(tmp_path / "absent.npy")
    with pytest.raises(CodeFileError, match="not a code file, but a folder"):
        read_codes(tmp_path)
    path.write_text("hello")
    with pytest.raises(CodeFileError, match="not a code file"):
        read_codes(path)


def test_sizes_beyond_the_file_allocate_nothing(tmp_path):
    text = b"{'descr': '<u4', 'fortran_order': False, 'shape': (999999999999, 9999999999), }\n"
    for header in (
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text,
        b"\x93NUMPY\x02\x00" + struct.pack("<I", 0xFFFFFFFF) + text,
    ):
        (tmp_path / "a.npy").write_bytes(header)
        with pytest.raises(CodeFileError, match=r"truncated|claims"):
            read_codes(tmp_path / "a.npy")


def test_a_newer_version_is_named_in_one_line(tmp_path):
    path = tmp_path / "a.npy"
    body = bytearray(written(path)[:-4])
    body[-16:-12] = struct.pack("<I", 7)
    path.write_bytes(with_valid_checksum(bytes(body)))
    with pytest.raises(CodeFileError, match=r"version 7 is unknown.*upgrade"):
        read_codes(path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("model", 3),
        ("sample_rate", 0),
        ("sample_rate", True),
        ("hop_length", 1e300),
        ("codebook_sizes", []),
        ("codebook_sizes", [1024, 1024, "a"]),
        ("codebook_sizes", [1024, 1024, 200]),  # some codes are beyond
        ("codebook_sizes", [200, 200, 200]),  # would be stored as bytes
        ("num_samples", 10**30),
        ("source_num_samples", 31_000),
        ("source_channels", -1),
        ("unknown", 1),
    ],
)
def test_metadata_that_cannot_be_is_refused_though_the_checksum_fits(tmp_path, field, value):
    path = tmp_path / "a.npy"
    data = written(path)
    text = METADATA.to_json()
    changed = json.dumps(json.loads(text) | {field: value}).encode()
    start = data.index(text)
    footer = struct.pack("<II8s", 1, len(changed), data[-12:-4])
    path.write_bytes(with_valid_checksum(data[:start] + changed + footer))
    with pytest.raises(CodeFileError):
        read_codes(path)


def test_codes_that_contradict_the_metadata_are_not_written(tmp_path):
    codes = random_codes()
    huge = codes.astype(np.uint64) + np.uint64(1 << 63)  # negative as a signed number
    for wrong in (
        huge,
        codes + 1024,
        codes - 1024,
        codes[:, 1:],
        codes[:2],
        codes * 1.0,
        codes[None],
    ):
        with pytest.raises(CodeFileError):
            write_codes(tmp_path / "a.npy", wrong, METADATA)
    with pytest.raises(CodeFileError, match="ends in"):
        write_codes(tmp_path / "a.txt", codes, METADATA)
    with pytest.raises(CodecError, match="cannot write"):
        write_codes(Path("/proc/none/a.npy"), codes, METADATA)
    assert list(tmp_path.iterdir()) == []


def test_the_reader_in_the_documentation_reads_what_we_write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "utterance.npy")
    text = (Path(__file__).parent.parent / "docs" / "formats.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"```python\n(import json, zlib.*?)```", text, re.DOTALL)
    values: dict[str, Any] = {}
    exec(program, values)
    np.testing.assert_array_equal(values["codes"], random_codes())
    assert values["metadata"]["source_num_samples"] == METADATA.source_num_samples


def test_numpy_and_zipfile_read_an_npz(tmp_path):
    path = tmp_path / "a.npz"
    written(path)
    with np.load(path) as archive:
        np.testing.assert_array_equal(archive["codes"], random_codes())
        assert CodesMetadata.from_json(archive["metadata.json"]) == METADATA
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None and archive.namelist() == ["codes.npy", "metadata.json"]


def test_an_npz_of_another_program_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, codes=random_codes())
    with pytest.raises(CodeFileError, match="another program"):
        read_codes(path)
