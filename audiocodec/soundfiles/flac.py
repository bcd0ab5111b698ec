"""Whether a FLAC file ends where its header says (RFC 9639).

libsndfile reads as many samples as STREAMINFO counts, neither more nor a word; what lies behind
them is found in the last bytes of the file.
"""

import re
from dataclasses import dataclass

from audiocodec.soundfiles.sources import View

_WINDOW = 1 << 14  # bytes: more than libFLAC reads ahead
_UNKNOWN_FRAME = 1 << 20


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """block_size: samples of every frame but the last; max_frame: bytes, 0 if not known."""

    block_size: int
    max_frame: int
    num_samples: int


def stream_info(head: bytes) -> StreamInfo | None:
    """The first block of a FLAC file; None if it is another file, or one that does not say how
    long it is, or whose frames differ in length.
    """
    if head[:4] != b"fLaC" or len(head) < 42 or head[4] & 0x7F:
        return None
    smallest, block_size = (int.from_bytes(head[at : at + 2], "big") for at in (8, 10))
    num_samples = int.from_bytes(head[21:26], "big") & ((1 << 36) - 1)
    if smallest != block_size or block_size < 16 or not num_samples:
        return None
    return StreamInfo(block_size, int.from_bytes(head[15:18], "big"), num_samples)


def end_fault(view: View, info: StreamInfo) -> str:
    """What is wrong with the end of a file, as far as its bytes tell without decoding; "" if
    nothing.
    """
    size = _WINDOW + 2 * (info.max_frame or _UNKNOWN_FRAME)
    tail = view.read(max(0, view.size - size), size)
    last = (info.num_samples - 1) // info.block_size
    expected = info.num_samples - last * info.block_size
    for match in _frame(last).finditer(tail):
        if _block_size(tail, match) != expected:
            continue
        rest = tail[match.end() :]
        if b"fLaC" in rest or _frame(last + 1).search(rest):
            return f"holds more than the {info.num_samples} samples that its header counts"
        return ""
    return f"truncated, or longer than the {info.num_samples} samples that its header counts"


def _frame(number: int) -> re.Pattern[bytes]:
    """The header of a frame up to its number, which is written like a character of UTF-8 (up to
    31 bits).
    """
    if number < 0x80:
        coded = bytes([number])
    else:
        more = next(n for n in range(1, 6) if number < 1 << (5 * n + 6))
        first = (0xFF00 >> (more + 1)) & 0xFF | number >> 6 * more
        coded = bytes([first, *(0x80 | number >> 6 * n & 0x3F for n in reversed(range(more)))])
    return re.compile(rb"\xff\xf8[\x10-\xff][\x00-\xff]" + re.escape(coded), re.DOTALL)


def _block_size(data: bytes, header: re.Match[bytes]) -> int:
    code = data[header.start() + 2] >> 4
    if code == 6:
        return int.from_bytes(data[header.end() : header.end() + 1], "big") + 1
    if code == 7:
        return int.from_bytes(data[header.end() : header.end() + 2], "big") + 1
    if code == 1:
        return 192
    return 576 << (code - 2) if code < 6 else 256 << (code - 8)
