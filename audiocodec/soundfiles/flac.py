"""Whether a FLAC file ends where its header says (RFC 9639).

libsndfile reads as many samples as STREAMINFO counts and says nothing of what lies behind them. The
headers of frames, which are numbered, tell.
"""

import re
from dataclasses import dataclass

from audiocodec.soundfiles.sources import View

_WINDOW = 1 << 14  # bytes: more than libFLAC reads ahead
_LOOKS = 5
_BLOCK = 1 << 20
_BEGINNING = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")


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
    size = _WINDOW + 2 * (info.max_frame or _BLOCK)
    tail = view.read(max(0, view.size - size), size)
    last = (info.num_samples - 1) // info.block_size
    expected = info.num_samples - last * info.block_size
    for match in _header(_coded(last)).finditer(tail):
        if _block_size(tail, match) != expected:
            continue
        rest = tail[match.end() :]
        more = _BEGINNING.search(rest) or _header(_coded(last + 1)).search(rest)
        if more or _is_joined(view, info, tail[match.start() : match.start() + 4]):
            return f"holds more than the {info.num_samples} samples that its header counts"
        return ""
    return f"truncated, or longer than the {info.num_samples} samples that its header counts"


def _header(number: bytes) -> re.Pattern[bytes]:
    """The first bytes of a frame and its number."""
    return re.compile(rb"\xff\xf8[\x10-\xff][\x00-\xfe]" + re.escape(number), re.DOTALL)


def _coded(number: int) -> bytes:
    """The number of a frame as it is written: like a character of UTF-8, but of up to 31 bits."""
    if number < 0x80:
        return bytes([number])
    more = next(n for n in range(1, 6) if number < 1 << (5 * n + 6))
    first = (0xFF00 >> (more + 1)) & 0xFF | number >> 6 * more
    return bytes([first, *(0x80 | number >> 6 * n & 0x3F for n in reversed(range(more)))])


def _decoded(data: bytes) -> int | None:
    """The number that `data` begins with."""
    more = f"{data[0]:08b}".index("0") if data and data[0] < 0xFF else 8
    if more < 2:
        return None if more else data[0]
    number = data[0] & 0x7F >> more
    for byte in data[1:more]:
        number = number << 6 | byte & 0x3F
    return number


def _block_size(data: bytes, header: re.Match[bytes]) -> int:
    code = data[header.start() + 2] >> 4
    if code in (6, 7):
        return int.from_bytes(data[header.end() : header.end() + code - 5], "big") + 1
    if code == 1:
        return 192
    return 576 << (code - 2) if code < 6 else 256 << (code - 8)


def _is_joined(view: View, info: StreamInfo, header: bytes) -> bool:
    """Whether a file of the same length follows, which has a frame of the last number, too.

    The numbers of frames then fall somewhere. A few looks clear nearly all files; any doubt has the
    whole file searched for another beginning. `header` is that of a frame of this file.
    """
    alike = (re.escape(bytes([high << 4 | header[at] & 15 for high in range(16)])) for at in (2, 3))
    frame = re.compile(rb"\xff\xf8[%b][%b]" % tuple(alike), re.DOTALL)
    previous = 0
    for look in range(1, _LOOKS if info.max_frame else 1):
        data = view.read(view.size * look // _LOOKS, 2 * info.max_frame + 16)
        match = frame.search(data)
        number = _decoded(data[match.end() :]) if match else None
        if number is None or number < previous:
            return _begins_again(view)
        previous = number
    return not info.max_frame and _begins_again(view)


def _begins_again(view: View) -> bool:
    starts = range(4, view.size, _BLOCK)
    return any(_BEGINNING.search(view.read(start, _BLOCK + 8)) for start in starts)
