"""`.codec`: codes in few bits, in blocks that can be read alone. See docs/formats.md.

The header has the size of every block, so that a reader finds any frame without reading what is
before it. Header and blocks have checksums of their own. No allocation is sized by the file alone.
"""

import struct
import zlib
from dataclasses import dataclass, replace
from typing import BinaryIO, NamedTuple

import numpy as np

from audiocodec.containers.bits import pack, packed_size, unpack
from audiocodec.containers.metadata import CodesMetadata, check_codes, smallest_dtype
from audiocodec.containers.npy import read_at_most
from audiocodec.entropy.model import EntropyTables
from audiocodec.errors import CodeFileError
from audiocodec.lengths import resampled_length

MAGIC = b"\x89CODEC\r\n"
VERSION = 1
BLOCK_FRAMES = 1024
_MAX_BLOCK_CODES = 1 << 20  # in one block: bounds what a small file can grow to
_MAX_HEADER_BYTES = 1 << 22
_MAX_CODED = 1 << 17  # codes in an entropy coded block, which take microseconds each
_START = struct.Struct("<II")  # version, bytes of the fields
_FIELDS = struct.Struct("<BBHIIIQIHHB")
_CRC = struct.Struct("<I")
_DIGEST_BYTES = 8
_BIT_PACKED, _ENTROPY_CODED = 0, 1
_DAMAGED = "damaged: the checksum of {} does not fit its contents"


class _Fixed(NamedTuple):
    """The fields of a header that every file has, in their order; see `_FIELDS`."""

    coding: int
    keeps_channels: int
    source_channels: int
    sample_rate: int
    hop_length: int
    source_sample_rate: int
    source_num_samples: int
    block_frames: int
    name_bytes: int
    hash_bytes: int
    stages: int

    @property
    def channels(self) -> int | None:
        return self.source_channels if self.keeps_channels else None


@dataclass(frozen=True)
class Layout:
    """Everything that the header says.

    channels: None for mixed-down codes.
    digest: of the tables of entropy coded codes, None for bit-packed ones.
    """

    metadata: CodesMetadata
    channels: int | None
    block_frames: int
    block_bytes: tuple[int, ...]
    digest: bytes | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the codes."""
        shape = (len(self.metadata.codebook_sizes), self.metadata.num_frames)
        return shape if self.channels is None else (self.channels, *shape)

    def frames_of(self, block: int) -> int:
        """The number of frames in a block; only the last may have fewer than `block_frames`."""
        return min(self.block_frames, self.metadata.num_frames - block * self.block_frames)


def write(
    file: BinaryIO, codes: np.ndarray, metadata: CodesMetadata, tables: EntropyTables | None = None
) -> None:
    """Write `codes` (num_quantizers, frames) or (channels, num_quantizers, frames).

    Args:
        tables: of the model, for entropy coding; without them codes are packed to whole bits.

    Raises:
        CodeFileError: codes, metadata and tables contradict each other.
    """
    check_codes(codes, metadata)
    digest = None if tables is None else tables.digest
    layout = Layout(metadata, codes.shape[0] if codes.ndim == 3 else None, BLOCK_FRAMES, (), digest)
    check_tables(layout, tables)
    sizes = metadata.codebook_sizes
    rows = codes.reshape(-1, codes.shape[-1])  # (channels * num_quantizers, frames)
    starts = range(0, codes.shape[-1], BLOCK_FRAMES)
    blocks = [rows[:, start : start + BLOCK_FRAMES] for start in starts]
    if tables is None:
        payloads = [pack(block, sizes) for block in blocks]
    else:
        from audiocodec.entropy import coder  # numba takes a while to load

        payloads = [coder.encode(block, len(sizes), tables) for block in blocks]
    file.write(_header(replace(layout, block_bytes=tuple(map(len, payloads)))))
    for index, payload in enumerate(payloads):
        file.write(payload + _CRC.pack(_block_crc(index, payload)))


def _block_crc(index: int, payload: bytes) -> int:
    """The index is part of it: blocks that change places are noticed."""
    return zlib.crc32(payload, zlib.crc32(struct.pack("<I", index)))


def _header(layout: Layout) -> bytes:
    metadata = layout.metadata
    model, model_hash = metadata.model.encode(), metadata.model_hash.encode()
    fixed = _Fixed(
        coding=_BIT_PACKED if layout.digest is None else _ENTROPY_CODED,
        keeps_channels=layout.channels is not None,
        source_channels=metadata.source_channels,
        sample_rate=metadata.sample_rate,
        hop_length=metadata.hop_length,
        source_sample_rate=metadata.source_sample_rate,
        source_num_samples=metadata.source_num_samples,
        block_frames=layout.block_frames,
        name_bytes=len(model),
        hash_bytes=len(model_hash),
        stages=len(metadata.codebook_sizes),
    )
    fields = _FIELDS.pack(*fixed) + model + model_hash
    fields += b"".join(struct.pack("<I", size - 1) for size in metadata.codebook_sizes)
    fields += layout.digest or b""
    fields += struct.pack(f"<{len(layout.block_bytes)}I", *layout.block_bytes)
    header = MAGIC + _START.pack(VERSION, len(fields)) + fields
    return header + _CRC.pack(zlib.crc32(header))


def check_tables(layout: Layout, tables: EntropyTables | None) -> None:
    """Raises CodeFileError unless `tables` are those that the codes need, if they need any."""
    if layout.digest is None:
        return
    model, stages = layout.metadata.model, len(layout.metadata.codebook_sizes)
    if tables is None or tables.digest != layout.digest:
        raise CodeFileError(
            f"entropy coded with the tables {layout.digest.hex()} of model {model!r}; "
            "give that model with --model"
        )
    if (layout.channels or 1) * stages * layout.block_frames > _MAX_CODED:
        raise CodeFileError(f"more than {_MAX_CODED} codes in an entropy coded block")
    if tables.codebook_sizes[:stages] != layout.metadata.codebook_sizes:
        raise CodeFileError(f"the entropy tables are for codebooks of {tables.codebook_sizes}")


def read(
    start: bytes, file: BinaryIO, tables: EntropyTables | None = None
) -> tuple[np.ndarray, CodesMetadata]:
    """Codes and metadata of a file of which `start` has been read; it must end where it says.

    Args:
        tables: of the model; entropy coded files need them.

    Raises:
        CodeFileError: damaged, hostile, newer than this program or coded with other tables.
    """
    layout, _ = read_layout(start, file)
    check_tables(layout, tables)
    rows = _read_blocks(file, layout, range(len(layout.block_bytes)), tables)
    _expect_end(file)
    return rows.reshape(layout.shape), layout.metadata


def check(start: bytes, file: BinaryIO) -> Layout:
    """`read`, except that codes are not decoded, so that no tables are needed.

    Raises:
        CodeFileError: damaged, hostile or newer than this program.
    """
    layout, _ = read_layout(start, file)
    for index in range(len(layout.block_bytes)):
        _read_payload(file, layout, index)
    _expect_end(file)
    return layout


def _expect_end(file: BinaryIO) -> None:
    if file.read(1):
        raise CodeFileError("damaged: there is data after its last block")


def read_frames(
    file: BinaryIO, start: int, stop: int, tables: EntropyTables | None = None
) -> np.ndarray:
    """The codes of frames `start` to `stop` - 1; reads only the blocks that hold them.

    Raises:
        CodeFileError: damaged there, or the file has no such frames.
    """
    layout, offset = read_layout(file.read(len(MAGIC)), file)
    check_tables(layout, tables)
    if not 0 <= start < stop <= layout.metadata.num_frames:
        raise CodeFileError(f"frames {start} to {stop}: it has {layout.metadata.num_frames}")
    first, last = start // layout.block_frames, (stop - 1) // layout.block_frames
    file.seek(offset + sum(layout.block_bytes[:first]) + first * _CRC.size)
    skipped = first * layout.block_frames
    rows = _read_blocks(file, layout, range(first, last + 1), tables)
    rows = rows[:, start - skipped : stop - skipped]
    return rows.reshape(*layout.shape[:-1], stop - start)


def _read_blocks(
    file: BinaryIO, layout: Layout, blocks: range, tables: EntropyTables | None
) -> np.ndarray:
    """(channels * num_quantizers, frames) of neighbouring blocks."""
    sizes, channels = layout.metadata.codebook_sizes, layout.channels or 1
    limits = np.tile(np.array(sizes, dtype=np.int64), channels)[:, None]
    parts = []
    for index in blocks:
        payload, frames = _read_payload(file, layout, index), layout.frames_of(index)
        if tables is None or layout.digest is None:
            rows = unpack(payload, frames, channels, sizes)
        else:
            from audiocodec.entropy import coder  # numba takes a while to load

            rows = coder.decode(payload, frames, channels, len(sizes), tables)
        if (rows >= limits).any():
            raise CodeFileError(f"block {index} has codes outside their codebooks")
        parts.append(rows.astype(smallest_dtype(sizes)))
    return np.concatenate(parts, axis=-1)


def _read_payload(file: BinaryIO, layout: Layout, index: int) -> bytes:
    size = layout.block_bytes[index]
    data = bytes(read_at_most(file, size + _CRC.size))
    if len(data) < size + _CRC.size:
        raise CodeFileError(f"truncated within block {index} of {len(layout.block_bytes)}")
    payload, (crc,) = data[:size], _CRC.unpack(data[size:])
    if crc != _block_crc(index, payload):
        raise CodeFileError(_DAMAGED.format(f"block {index}"))
    return payload


def read_layout(start: bytes, file: BinaryIO) -> tuple[Layout, int]:
    """What the header says, and the position of the first block."""
    if not start.startswith(MAGIC):
        raise CodeFileError("not a code file")
    prefix = file.read(_START.size)
    if len(prefix) < _START.size:
        raise CodeFileError("truncated within the header")
    version, size = _START.unpack(prefix)
    if size > _MAX_HEADER_BYTES:
        raise CodeFileError(f"damaged or hostile: its header claims {size} bytes")
    rest = bytes(read_at_most(file, size + _CRC.size))
    if len(rest) < size + _CRC.size:
        raise CodeFileError("truncated within the header")
    if zlib.crc32(MAGIC + prefix + rest[:size]) != _CRC.unpack(rest[size:])[0]:
        raise CodeFileError(_DAMAGED.format("the header"))
    if version != VERSION:
        raise CodeFileError(
            f"format version {version} is unknown to this program, which reads version {VERSION}; "
            "upgrade it"
        )
    return _parse(rest[:size]), len(MAGIC) + _START.size + size + _CRC.size


def _parse(fields: bytes) -> Layout:
    try:
        fixed = _Fixed._make(_FIELDS.unpack_from(fields))
        metadata = _metadata(fixed, fields)
    except (struct.error, UnicodeDecodeError):
        raise CodeFileError("damaged: its header is too short for what it says") from None
    if not 1 <= fixed.block_frames * (fixed.channels or 1) * fixed.stages <= _MAX_BLOCK_CODES:
        raise CodeFileError(f"blocks of {fixed.block_frames} frames are too large")
    rest = fields[_FIELDS.size + fixed.name_bytes + fixed.hash_bytes + 4 * fixed.stages :]
    digest = rest[:_DIGEST_BYTES] if fixed.coding == _ENTROPY_CODED else None
    index = rest[len(digest or b"") :]
    num_blocks = -(-metadata.num_frames // fixed.block_frames)
    if len(index) != 4 * num_blocks:
        raise CodeFileError(f"damaged: its index does not list {num_blocks} blocks")
    block_bytes = struct.unpack(f"<{num_blocks}I", index)
    layout = Layout(metadata, fixed.channels, fixed.block_frames, block_bytes, digest)
    for block, size in enumerate(block_bytes if digest is None else ()):
        if size != packed_size(
            layout.frames_of(block), layout.channels or 1, metadata.codebook_sizes
        ):
            raise CodeFileError(f"block {block} has {size} bytes; its frames need another number")
    return layout


def _metadata(fixed: _Fixed, fields: bytes) -> CodesMetadata:
    """Raises struct.error or UnicodeDecodeError for fields that are not what `fixed` announces."""
    known = fixed.coding in (_BIT_PACKED, _ENTROPY_CODED) and fixed.keeps_channels <= 1
    if not (known and fixed.sample_rate and fixed.source_sample_rate):
        raise CodeFileError("its header has values that no version 1 file has")
    name_end = _FIELDS.size + fixed.name_bytes
    hash_end = name_end + fixed.hash_bytes
    sizes = struct.unpack_from(f"<{fixed.stages}I", fields, hash_end)
    return CodesMetadata(
        model=fields[_FIELDS.size : name_end].decode(),
        model_hash=fields[name_end:hash_end].decode(),
        sample_rate=fixed.sample_rate,
        hop_length=fixed.hop_length,
        codebook_sizes=tuple(size + 1 for size in sizes),
        num_samples=resampled_length(
            fixed.source_num_samples, fixed.source_sample_rate, fixed.sample_rate
        ),
        source_sample_rate=fixed.source_sample_rate,
        source_num_samples=fixed.source_num_samples,
        source_channels=fixed.source_channels,
    )
