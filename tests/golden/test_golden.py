"""What an earlier version wrote is read, and written, alike by this one."""

import numpy as np
import pytest

from audiocodec.codes import read_codes, write_codes
from audiocodec.containers.stream import read_header, read_packets
from audiocodec.entropy.model import read_tables
from audiocodec.models.bundle import load_codec
from tests.golden.make import FOLDER, FRAMES, HEADER, METADATA, chirp, codes_by_formula

CODES = codes_by_formula(METADATA.codebook_sizes, FRAMES, 2)


@pytest.mark.parametrize("name", ["codes.npy", "codes.npz", "packed.codec", "entropy.codec"])
def test_code_files_are_read_and_written_as_ever(tmp_path, name):
    tables = read_tables(FOLDER) if name == "entropy.codec" else None
    codes, metadata = read_codes(FOLDER / name, tables)
    np.testing.assert_array_equal(codes, CODES)
    assert metadata == METADATA
    write_codes(tmp_path / name, CODES, METADATA, tables)
    assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_streams_are_read_as_ever():
    with open(FOLDER / "stream.codes", "rb") as file:
        assert read_header(file) == HEADER
        packets = list(read_packets(file, HEADER))
    assert [num_samples for _, num_samples in packets] == [3200, 14 * 320 + 1]
    codes = np.concatenate([codes for codes, _ in packets], axis=1)
    np.testing.assert_array_equal(codes, CODES[0, :, :25])


def test_models_encode_and_decode_as_ever():
    codec = load_codec(FOLDER / "model")
    golden = read_codes(FOLDER / "chirp.npy")
    assert golden.metadata.model_hash == codec.weight_hash
    expected = np.load(FOLDER / "chirp_decoded.npy")
    decoded = codec.decode(golden.codes, num_samples=golden.metadata.num_samples)
    np.testing.assert_allclose(decoded, expected, atol=1e-4)
    np.testing.assert_array_equal(codec.encode(chirp()), golden.codes)
