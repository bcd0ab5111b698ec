"""Where the sound of a file ends, before the tags and the padding that programs append.

Decoders take them for damaged sound, and ffmpeg for a longer file than its header counts.
"""

import re
from typing import NamedTuple

from audiocodec.soundfiles.sources import View

# Of formats whose packets alone say where they end: WavPack, Monkey's Audio, Musepack, TTA,
# FLAC, AC-3. MPEG audio, which has 11 bits instead, and anything behind an ID3 tag come on top.
_TAGGED = (b"ID3", b"wvpk", b"MAC ", b"MP+", b"MPCK", b"TTA1", b"fLaC", b"\x0bw")
_COUNTS = re.compile(rb"Xing|Info|VBRI")  # in the first frame of MP3
_MOST = 100  # tags on either side; a file of nothing but tags is no reason to read all of it
_PADDING = 1 << 16  # bytes behind an MP3 that are looked at


class _Shorter(View):
    """The first bytes of another view."""

    __slots__ = ("whole",)

    def __init__(self, whole: View, size: int) -> None:
        self.whole, self.size, self.head = whole, size, whole.head[:size]

    def read(self, start: int, count: int) -> bytes:
        count = min(count, self.size - start)
        return self.whole.read(start, count) if count > 0 else b""

    def close(self) -> None:
        self.whole.close()


def without_tags(view: View) -> View:
    """The file as far as its sound goes."""
    if not (view.head.startswith(_TAGGED) or _is_mpeg(view.head)):
        return view
    end = view.size
    for _ in range(_MOST):
        if not 0 < (size := _tag_before(view, end)) < end:
            break
        end -= size
    counts = _counts(view)
    if counts and counts.size and (counted := counts.start + counts.size) < end:
        rest = view.read(counted, min(_PADDING, end - counted))
        end = end if rest.strip(b"\0") else counted
    return view if end == view.size else _Shorter(view, end)


def counted_samples(view: View) -> int | None:
    """How many samples an MP3 file has with those that encoders add, if its first frame says so."""
    counts = _counts(view)
    if counts is None or counts.frames is None:
        return None
    is_mpeg_1 = view.read(counts.start, 2)[1] >> 3 & 3 == 3
    return counts.frames * (1152 if is_mpeg_1 else 576)


def _is_mpeg(data: bytes) -> bool:
    return len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0


def _first_frame(view: View) -> int:
    start = 0
    for _ in range(_MOST):
        if not (tag := view.read(start, 10)).startswith(b"ID3"):
            break
        start += 10 + _syncsafe(tag[6:])
    return start


class _Counts(NamedTuple):
    """Of an MP3 file whose first frame begins at `start`: what that says of the sound."""

    start: int
    frames: int | None
    size: int | None  # in bytes


def _counts(view: View) -> _Counts | None:
    start = _first_frame(view)
    frame = view.read(start, 64)
    mark = _COUNTS.search(frame[:44])  # behind 32 bytes at most, and the frame's own 4
    if mark is None or not _is_mpeg(frame):
        return None

    def number(at: int) -> int:
        return int.from_bytes(frame[mark.end() + at : mark.end() + at + 4], "big")

    if mark[0] == b"VBRI":
        return _Counts(start, number(10), number(6))
    frames, size = number(0) & 1, number(0) & 2
    return _Counts(
        start, number(4) if frames else None, number(8 if frames else 4) if size else None
    )


def _tag_before(view: View, end: int) -> int:
    """Bytes of the tag that ends at `end`: ID3v1, Lyrics3, APE, or ID3v2 with a footer; 0: none."""

    def last(count: int) -> bytes:
        return view.read(end - count, count) if count <= end else b""

    if last(128).startswith(b"TAG"):
        return 128
    lyrics = last(15)
    if lyrics.endswith(b"LYRICS200") and lyrics[:6].isdigit():
        return int(lyrics[:6]) + 15
    footer = last(32)
    if footer.startswith(b"APETAGEX"):
        size, flags = (int.from_bytes(footer[at : at + 4], "little") for at in (12, 20))
        return size + (32 if flags >> 31 else 0)
    footer = last(10)
    if footer.startswith(b"3DI"):
        return 20 + _syncsafe(footer[6:])
    return 0


def _syncsafe(data: bytes) -> int:
    """Seven bits of each byte."""
    return sum((byte & 0x7F) << 7 * place for place, byte in enumerate(reversed(data)))
