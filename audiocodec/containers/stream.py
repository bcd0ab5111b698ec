"""Codes on their way: a header, packets as they become known, an end mark; docs/streaming.md.

Written and read front to back, through pipes. A packet's checksum covers its number too, so damage,
loss and a missing end are noticed; what has been read before them has been right.
"""

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import numpy as np

from audiocodec.containers.bits import pack, packed_size, unpack
from audiocodec.errors import CodeFileError

MAGIC = b"\x89CODST\r\n"
VERSION = 1
_START = struct.Struct("<II")  # version, bytes of the fields
_NUMBER = struct.Struct("<I")
_MAX_HEADER_BYTES = 1 << 16
MAX_PACKET_CODES = 1 << 20


@dataclass(frozen=True)
class StreamHeader:
    """What a decoder must know before the first packet; one channel."""

    model: str
    model_hash: str
    sample_rate: int  # Hz
    hop_length: int  # samples per frame
    codebook_sizes: tuple[int, ...]  # of the stages in the stream

    def __post_init__(self) -> None:
        """Raises CodeFileError for a field of the wrong type or out of bounds."""
        numbers = {"sample_rate": 1_000_000, "hop_length": 1 << 20}
        valid = all(
            type(value := getattr(self, name)) is int and 1 <= value <= limit
            for name, limit in numbers.items()
        )
        valid &= isinstance(self.model, str) and isinstance(self.model_hash, str)
        valid &= 1 <= len(self.codebook_sizes) <= 64 and all(
            type(size) is int and 2 <= size <= 1 << 32 for size in self.codebook_sizes
        )
        if not valid:
            raise CodeFileError("its header has values that no version 1 stream has")


class StreamWriter:
    """Writes to a pipe or file; each call is flushed, so that a reader can continue at once."""

    def __init__(self, file: BinaryIO, header: StreamHeader) -> None:
        self._file, self._header, self._packets = file, header, 0
        fields = json.dumps(asdict(header), separators=(",", ":")).encode()
        start = MAGIC + _START.pack(VERSION, len(fields)) + fields
        self._send(start + _NUMBER.pack(zlib.crc32(start)))

    def write(self, codes: np.ndarray, num_samples: int) -> None:
        """Codes (num_quantizers, frames) that stand for `num_samples` samples."""
        assert codes.shape[1] == -(-num_samples // self._header.hop_length)
        most = max(1, MAX_PACKET_CODES // len(codes))
        hop = self._header.hop_length
        for start in range(0, codes.shape[1], most):
            part = codes[:, start : start + most]
            self._packet(min(num_samples - start * hop, part.shape[1] * hop), part)

    def end(self) -> None:
        """Say that nothing is missing."""
        self._packet(0, None)

    def _packet(self, num_samples: int, codes: np.ndarray | None) -> None:
        data = _NUMBER.pack(num_samples)
        if codes is not None:
            data += pack(codes, self._header.codebook_sizes)
        self._send(data + _NUMBER.pack(_packet_crc(self._packets, data)))
        self._packets += 1

    def _send(self, data: bytes) -> None:
        self._file.write(data)
        self._file.flush()


def _packet_crc(index: int, data: bytes) -> int:
    return zlib.crc32(data, zlib.crc32(_NUMBER.pack(index & 0xFFFFFFFF)))


def read_header(file: BinaryIO) -> StreamHeader:
    """The header at the start of a stream.

    Raises:
        CodeFileError: no stream of codes, damaged, or newer than this program.
    """
    start = file.read(len(MAGIC))
    if start != MAGIC:
        raise CodeFileError("not a stream of codes; `codec stream encode` makes one")
    prefix = _exactly(file, _START.size)
    version, size = _START.unpack(prefix)
    if size > _MAX_HEADER_BYTES:
        raise CodeFileError(f"damaged or hostile: its header claims {size} bytes")
    fields = _exactly(file, size)
    if _NUMBER.unpack(_exactly(file, _NUMBER.size))[0] != zlib.crc32(start + prefix + fields):
        raise CodeFileError("damaged: the checksum of the header does not fit its contents")
    if version != VERSION:
        raise CodeFileError(
            f"format version {version} is unknown to this program, which reads version {VERSION}; "
            "upgrade it"
        )
    try:
        values: dict[str, Any] = json.loads(fields)
        sizes = tuple(values.pop("codebook_sizes"))
        return StreamHeader(codebook_sizes=sizes, **values)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise CodeFileError("its header is not what a version 1 stream has") from None


def read_packets(file: BinaryIO, header: StreamHeader) -> Iterator[tuple[np.ndarray, int]]:
    """Codes (num_quantizers, frames), int64, and the number of samples of each packet in turn.

    Raises:
        CodeFileError: damaged, or over before its end mark.
    """
    sizes, index = header.codebook_sizes, 0
    while True:
        start = _exactly(file, _NUMBER.size)
        (num_samples,) = _NUMBER.unpack(start)
        frames = -(-num_samples // header.hop_length)
        if frames * len(sizes) > MAX_PACKET_CODES and frames > 1:
            raise CodeFileError(f"damaged or hostile: packet {index} claims {frames} frames")
        payload = _exactly(file, packed_size(frames, 1, sizes))
        (crc,) = _NUMBER.unpack(_exactly(file, _NUMBER.size))
        if crc != _packet_crc(index, start + payload):
            raise CodeFileError(f"damaged: the checksum of packet {index} does not fit")
        if num_samples == 0:
            return
        codes = unpack(payload, frames, 1, sizes)
        if (codes >= np.array(sizes).reshape(-1, 1)).any():  # sizes need not be powers of 2
            raise CodeFileError(f"hostile: packet {index} has codes outside its own codebooks")
        yield codes, num_samples
        index += 1


def _exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise CodeFileError("the stream is over before its end mark; the rest is lost")
    return data
