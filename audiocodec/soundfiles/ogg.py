"""Whether the pages of an Ogg file are whole (RFC 3533).

ffmpeg steps over a damaged page and stops at one that was cut, silently in both cases.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from audiocodec.errors import AudioError
from audiocodec.soundfiles.headers import Survey
from audiocodec.soundfiles.sources import View

_AT_ONCE = 1 << 20  # bytes
_LARGEST = 27 + 255 + 255 * 255
_FIRST, _LAST = 2, 4  # flags of the pages of a stream
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class _Page(NamedTuple):
    """granule: samples up to its end; number: from 0 in its stream."""

    flags: int
    granule: int
    number: int
    open: bool  # its last packet continues on the next page
    body: bytes


def survey_pages(view: View) -> Survey:
    """Look at all pages. That the stream ends is not asked for: recorders that were stopped do not
    write it.

    One whole stream of Vorbis is left to libsndfile, which finds its samples exactly; ffmpeg gets
    the end wrong if there is a single page of sound.
    """
    first = last = None
    simple = True
    try:
        for count, page in enumerate(_pages(view)):
            first = first or page
            simple = simple and page.number == count and bool(page.flags & _FIRST) == (not count)
            last = page
    except AudioError as error:
        return Survey(fault=str(error))
    if first is None or last is None or last.open:
        return Survey(fault="truncated: its last packet is incomplete")
    simple = simple and bool(last.flags & _LAST) and first.body.startswith(b"\x01vorbis")
    return Survey(simple, num_samples=last.granule if simple else None)


def _pages(view: View) -> Iterator[_Page]:
    """Raises AudioError where no whole page follows."""
    start, data, position = 0, b"", 0
    while start + position < view.size:
        if position + _LARGEST > len(data) and start + len(data) < view.size:
            start, position = start + position, 0
            data = view.read(start, _AT_ONCE)
        if not data.startswith(b"OggS", position):
            if _is_harmless(data[position:]):
                return
            raise AudioError(_no_page(view, start + position))
        count = data[position + 26] if position + 26 < len(data) else 255
        segments = data[position + 27 : position + 27 + count]
        size = 27 + count + sum(segments)
        page = data[position : position + size]
        if len(page) < size:
            raise AudioError("truncated: it ends within a page")
        if checksum(page) != int.from_bytes(page[22:26], "little"):
            raise AudioError(f"damaged: the page at byte {start + position} fails its checksum")
        flags, granule, number = struct.unpack_from("<5xBq4xI", page)
        is_open = segments[-1:] == b"\xff"
        yield _Page(flags, granule, number, is_open, page[27 + count :])
        position += size


def _is_harmless(rest: bytes) -> bool:
    return not rest.strip(b"\0") or rest.startswith(b"TAG")


def _no_page(view: View, position: int) -> str:
    if b"OggS".startswith(view.read(position, 4)):
        return "truncated: it ends within a page"
    return f"the {view.size - position} bytes from byte {position} on are not an Ogg page"


def checksum(page: bytes) -> int:
    """CRC-32 of the same polynomial as zlib's, but high bit first and without inversions."""
    mirrored = (page[:22] + bytes(4) + page[26:]).translate(_REVERSED)
    crc = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)
