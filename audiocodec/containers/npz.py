"""`.npz`: the array as `codes.npy` and the metadata as `metadata.json` in an uncompressed ZIP file.

`np.load(path)["codes"]` is all that other programs need. There is one way to write given codes:
a reader writes what it has read once more and accepts nothing else, so that no bit can change.
"""

import io
import struct
import zlib
from typing import BinaryIO

import numpy as np

from audiocodec.containers import npy
from audiocodec.containers.metadata import CodesMetadata
from audiocodec.errors import CodeFileError

MAGIC = b"PK\x03\x04"
_LOCAL = struct.Struct("<4s5H3I2H")  # of the ZIP application note, sections 4.3.7, .12 and .16
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_NAMES = (b"codes.npy", b"metadata.json")
_VERSION, _JANUARY_1980 = 20, 0x21
_FOREIGN = (
    "truncated, damaged, or a .npz or .pt file of another program; of those, np.save the codes "
    "alone as .npy"
)
_MOST = 1 << 31  # bytes; beyond 4 GiB a ZIP file has another structure


def write(file: BinaryIO, codes: np.ndarray, metadata: CodesMetadata) -> None:
    """Write `codes` in the smallest unsigned type.

    Raises:
        CodeFileError: codes and metadata contradict each other, or are too large for the format.
    """
    array = b"".join(npy.array_file(codes, metadata))
    if len(array) > _MOST:
        raise CodeFileError(f"{len(array)} bytes of codes are too large for .npz; use .codec")
    file.write(archive(array, metadata.to_json()))


def archive(*members: bytes) -> bytes:
    """The file that has these members."""
    local, central = b"", b""
    for name, data in zip(_NAMES, members, strict=True):
        fields = (0, 0, 0, _JANUARY_1980, zlib.crc32(data), len(data), len(data), len(name), 0)
        central += _CENTRAL.pack(b"PK\x01\x02", _VERSION, _VERSION, *fields, 0, 0, 0, 0, len(local))
        central += name
        local += _LOCAL.pack(MAGIC, _VERSION, *fields) + name + data
    count = len(members)
    return (
        local + central + _END.pack(b"PK\x05\x06", 0, 0, count, count, len(central), len(local), 0)
    )


def read(start: bytes, file: BinaryIO) -> tuple[np.ndarray, CodesMetadata]:
    """Codes and metadata of a file of which `start` has been read; it must end where it says.

    Raises:
        CodeFileError: damaged, hostile, newer, or of another program.
    """
    data = start + npy.read_at_most(file, _MOST + npy.MOST_BESIDE_ARRAY)
    members, position = [], 0
    for name in _NAMES:
        begin = position + _LOCAL.size + len(name)
        if len(data) < begin:
            raise CodeFileError(_FOREIGN)
        size = _LOCAL.unpack_from(data, position)[7]
        members.append(data[begin : begin + size])
        position = begin + size
    if archive(*members) != data:
        raise CodeFileError(_FOREIGN)
    array, text = members
    metadata = CodesMetadata.from_json(text)
    return npy.read_array_file(io.BytesIO(array), metadata), metadata
