"""A plain `.npy` array, then JSON metadata and a CRC-32 of the whole file. See docs/formats.md.

`np.load` and memory-mapping read the array and never look beyond it. Nothing in the file is
executed and no allocation is sized by it: a reader takes what the file really contains.
"""

import os
import re
import struct
import zlib
from math import prod
from pathlib import Path
from typing import BinaryIO

import numpy as np

from audiocodec.containers.metadata import (
    FORMAT_VERSION,
    MAX_METADATA_BYTES,
    CodesMetadata,
    check_codes,
    check_shape,
    smallest_dtype,
)
from audiocodec.errors import CodeFileError

MAGIC = b"\x93NUMPY"
_FOOTER = struct.Struct("<II8sI")  # version, bytes of metadata, magic, CRC-32 of all before it
_FOOTER_MAGIC = b"\x89CODES\r\n"
_ALIGNMENT = 64  # of the array in the file, as numpy does
_MAX_HEADER = 4096
MOST_BESIDE_ARRAY = 1 << 20  # bytes of headers, metadata and checksums, with room to spare
_HEADER = re.compile(
    rb"\{'descr': '([^']{1,8})', 'fortran_order': (True|False), "
    rb"'shape': \((\d{1,18}(?:, \d{1,18}){0,3}),?\),? ?\} *\n"
)


def write(file: BinaryIO, codes: np.ndarray, metadata: CodesMetadata) -> None:
    """Write `codes` in the smallest unsigned type.

    Raises:
        CodeFileError: codes and metadata contradict each other.
    """
    text = metadata.to_json()
    footer = _FOOTER.pack(FORMAT_VERSION, len(text), _FOOTER_MAGIC, 0)[:-4]
    crc = 0
    for part in (*array_file(codes, metadata), text, footer):
        crc = zlib.crc32(part, crc)
        file.write(part)
    file.write(struct.pack("<I", crc))


def array_file(codes: np.ndarray, metadata: CodesMetadata) -> tuple[bytes, memoryview]:
    """The part that other programs read: header and array, not copied if need not be.

    Raises:
        CodeFileError: codes and metadata contradict each other.
    """
    check_codes(codes, metadata)
    array = np.ascontiguousarray(codes, dtype=smallest_dtype(metadata.codebook_sizes))
    return _header(array), array.reshape(-1).view(np.uint8).data


def _header(array: np.ndarray) -> bytes:
    """The version 1.0 header; written here so that the bytes do not depend on numpy's version."""
    text = f"{{'descr': '{array.dtype.str}', 'fortran_order': False, 'shape': {array.shape}, }}"
    padding = -(len(MAGIC) + 4 + len(text) + 1) % _ALIGNMENT
    line = text.encode() + b" " * padding + b"\n"
    return MAGIC + struct.pack("<BBH", 1, 0, len(line)) + line


def read(start: bytes, file: BinaryIO) -> tuple[np.ndarray, CodesMetadata]:
    """Codes and metadata of a file of which `start` has been read; it must end where it says.

    Raises:
        CodeFileError: damaged, hostile, newer, or an array that does not hold codes.
    """
    header, dtype, shape = _read_header(start, file)
    size = prod(shape) * dtype.itemsize
    rest = read_at_most(file, size + MAX_METADATA_BYTES + _FOOTER.size + 1)
    if len(rest) < size:
        raise CodeFileError(f"truncated: the array has {size} bytes, the file {len(rest)} of them")
    if len(rest) == size:
        raise CodeFileError(
            "a .npy array without metadata; `codec encode` writes it after the array"
        )
    if len(rest) < size + _FOOTER.size:
        raise CodeFileError("truncated: it ends within the metadata")
    version, text_size, magic, crc = _FOOTER.unpack_from(rest, len(rest) - _FOOTER.size)
    if crc != zlib.crc32(memoryview(rest)[:-4], zlib.crc32(header)) or magic != _FOOTER_MAGIC:
        raise CodeFileError("damaged: the checksum does not fit the contents")
    if version != FORMAT_VERSION:
        raise CodeFileError(
            f"format version {version} is unknown to this program, which reads version "
            f"{FORMAT_VERSION}; upgrade it"
        )
    if size + text_size + _FOOTER.size != len(rest):
        raise CodeFileError("damaged: the lengths of array and metadata do not add up")
    metadata = CodesMetadata.from_json(bytes(rest[size : size + text_size]))
    return _codes(rest, dtype, shape, metadata), metadata


def read_array_file(file: BinaryIO, metadata: CodesMetadata) -> np.ndarray:
    """The inverse of `array_file`; the file must end with the array.

    Raises:
        CodeFileError: an array that is not the codes of the metadata.
    """
    _, dtype, shape = _read_header(file.read(len(MAGIC) + 2), file)
    size = prod(shape) * dtype.itemsize
    data = read_at_most(file, size + 1)
    if len(data) != size:
        raise CodeFileError(f"the array has {size} bytes, but not the file")
    return _codes(data, dtype, shape, metadata)


def _codes(
    data: bytearray,
    dtype: np.dtype[np.unsignedinteger],
    shape: tuple[int, ...],
    metadata: CodesMetadata,
) -> np.ndarray:
    if dtype != smallest_dtype(metadata.codebook_sizes):
        raise CodeFileError(f"codes are stored as {dtype.str}; the codebooks need another type")
    check_shape(shape, metadata)
    codes = np.frombuffer(data, dtype, prod(shape)).reshape(shape)
    check_codes(codes, metadata)
    return codes


def _read_header(
    start: bytes, file: BinaryIO
) -> tuple[bytes, np.dtype[np.unsignedinteger], tuple[int, ...]]:
    """The bytes of the header, and the type and shape that it gives."""
    length = {b"\x01\x00": "<H", b"\x02\x00": "<I"}.get(start[len(MAGIC) :])
    if length is None:
        raise CodeFileError("its npy version is neither 1.0 nor 2.0")
    prefix = file.read(struct.calcsize(length))
    if len(prefix) != struct.calcsize(length):
        raise CodeFileError("truncated within the header")
    (size,) = struct.unpack(length, prefix)
    if size > _MAX_HEADER:
        raise CodeFileError(f"its header claims {size} bytes; code files need less than 200")
    text = file.read(size)
    match = _HEADER.fullmatch(text)
    if match is None:
        raise CodeFileError("its header does not describe an array of codes")
    descr, fortran_order, dimensions = match.groups()
    if descr not in (b"|u1", b"<u2", b"<u4") or fortran_order == b"True":
        raise CodeFileError(
            f"an array of type {descr.decode('latin-1')!r} (fortran_order {fortran_order.decode()})"
            "; codes are integers, with metadata |u1, <u2 or <u4 in C order, and pickled objects "
            "are never read"
        )
    shape = tuple(int(digits) for digits in dimensions.split(b", "))
    if 0 in shape or len(shape) not in (2, 3):
        raise CodeFileError(f"an array of shape {shape}; codes have 2 or 3 axes")
    return start + prefix + text, np.dtype(descr.decode()), shape


def read_at_most(file: BinaryIO, limit: int) -> bytearray:
    """What the file has, up to `limit` bytes; memory follows the file, whatever the limit."""
    data = bytearray()
    while len(data) < limit and (piece := file.read(min(limit - len(data), 1 << 20))):
        data += piece
    return data


def read_bare(path: str | Path) -> np.ndarray | None:
    """The integers of a .npy file of another program, without metadata; None for other files.

    Nothing is allocated that the file does not hold.
    """
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.dtype.kind not in "iu" or os.path.getsize(path) != array.offset + array.nbytes:
            return None
        return np.array(array)
    except (OSError, ValueError, AttributeError, EOFError):
        return None
