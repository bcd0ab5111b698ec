"""What WAV, RF64, W64, AIFF, AU, SPHERE and CAF headers claim, held against what is there.

Decoding is left to libraries; none of them says that a file was cut short, or that sound follows
behind what its header counts. Layouts: RIFF (Microsoft, EBU Tech 3306), Sony Wave64, AIFF-C
(Apple), CAF (Apple), Sun audio, NIST SPHERE.
"""

import re
import struct
from collections.abc import Callable, Iterator
from typing import NamedTuple

from audiocodec.soundfiles.sources import View

_MAX_CHUNKS = 10_000
_PCM, _FLOAT, _A_LAW, _MU_LAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE
_WAV_EXACT = {(_PCM, bits) for bits in (8, 16, 24, 32)}
_WAV_EXACT |= {(_FLOAT, 32), (_FLOAT, 64), (_A_LAW, 8), (_MU_LAW, 8)}
_AIFF_EXACT = {b"NONE", b"sowt", b"twos", b"fl32", b"FL32", b"fl64", b"FL64"}
_AIFF_EXACT |= {b"alaw", b"ALAW", b"ulaw", b"ULAW"}
_AU_EXACT = {1, 2, 3, 4, 5, 6, 7, 27}
# What programs write as a length when they cannot come back to the header: ffmpeg, SoX, others.
_PLACEHOLDERS = (
    range(0x7F000000, 0x7F000100),
    range(0x7FFFF000, 0x80000100),
    range(0xFFFFF000, 0x100000000),
    range(1 << 62, 1 << 64),
)
_CHUNK = re.compile(rb"[ -~]{4}.{4}", re.DOTALL)
_BEGINNINGS = (b"RIFF", b"RIFX", b"RF64", b"BW64", b"FORM", b"fLaC", b"OggS", b".snd", b"NIST")
TAGS = (  # of music players
    b"TAG",
    b"ID3",
    b"APETAGEX",
    b"LYRICS",
)


class Survey(NamedTuple):
    """What a header promises.

    Attributes:
        exact: libsndfile reads such files, finds any sample of them and knows how many there are.
        fault: why what is there is not the whole recording, "" if it is.
        num_samples: what libsndfile should find, None if there is nothing to compare with.
    """

    exact: bool = False
    fault: str = ""
    num_samples: int | None = None


def survey(view: View) -> Survey:
    """Look at the header of a file; one of another format is left to ffmpeg."""
    parse = _avi if view.head[8:12] == b"AVI " else _PARSERS.get(view.head[:4])
    if parse is None:
        return Survey()
    try:
        return parse(view)
    except struct.error:
        return Survey(fault="truncated: it ends within its header")


def _wav(view: View) -> Survey:
    order = ">" if view.head[:4] == b"RIFX" else "<"
    block, long_length = 0, None
    for name, start, length in _chunks(view, 12, order):
        if name == b"fmt ":
            block = _wav_block(view, start, order)
        elif name == b"ds64":
            (long_length,) = struct.unpack("<8xQ", view.read(start, 16))
        elif name == b"data":
            if length == 0xFFFFFFFF and long_length is not None:
                length = long_length
            if view.head[:4] == b"BW64":  # unknown to libsndfile
                block = 0
            return _samples(view, block, start, length, order)
    return Survey(fault="truncated: it ends before its samples")


def _avi(view: View) -> Survey:
    """A video, which ffmpeg decodes, but it says nothing of an end that is missing."""
    (length,) = struct.unpack("<4xI", view.read(0, 8))
    there = view.size - 8
    cut = length > there and not _is_placeholder(length)
    return Survey(fault=f"truncated: {there} of {length} bytes are there" if cut else "")


def _wav_block(view: View, start: int, order: str) -> int:
    """Bytes of a sample of all channels, 0 if libsndfile is not exact with this coding."""
    coding, channels, _, _, block, bits = struct.unpack(order + "HHIIHH", view.read(start, 16))
    if coding == _EXTENSIBLE:
        (coding,) = struct.unpack(order + "H", view.read(start + 24, 2))
    return int(block) if (coding, bits) in _WAV_EXACT and block * 8 == channels * bits else 0


def _whole(block: int, length: int) -> Survey:
    return Survey(True, num_samples=length // block) if block else Survey()


def _samples(view: View, block: int, start: int, length: int, order: str) -> Survey:
    """The verdict on `length` bytes of samples that are claimed to lie at `start`."""
    there = view.size - start
    if length == there or (length > there and _is_placeholder(length)):
        return _whole(block, there)
    if length > there:
        return Survey(fault=f"truncated: {there} of {length} bytes of samples are there")
    end = start + length
    if length == 0 and not _is_chunk(view.read(end, 8)):
        return Survey()  # never finished: all that follows is sound
    names = []
    for name, body, size in _chunks(view, end + _padding(view, end), order):
        names.append(name)
        end = body + size
    if b"data" in names:
        return Survey()
    return _whole(block, length)._replace(fault=_leftover(view, end))


def _chunks(view: View, start: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """Name, position and claimed length of each chunk; ends where there is none."""
    for _ in range(_MAX_CHUNKS):
        header = view.read(start, 8)
        if not _is_chunk(header):
            return
        name, length = struct.unpack(order + "4sI", header)
        yield name, start + 8, length
        start += 8 + length
        if start % 2:
            start += _padding(view, start)


def _is_chunk(header: bytes) -> bool:
    return bool(_CHUNK.match(header)) and header[:4] not in _BEGINNINGS


def _padding(view: View, end: int) -> int:
    """Chunks begin at even positions, but not all programs know."""
    return end % 2 and not _is_chunk(view.read(end, 8))


def _leftover(view: View, end: int) -> str:
    """What is wrong with the bytes from `end` on; zeros and tags of music players are harmless."""
    rest = view.read(end, 1 << 16)
    if len(rest) <= 1 or not rest.strip(b"\0") or rest.lstrip(b"\0").startswith(TAGS):
        return ""
    return f"{view.size - end} bytes behind its samples cannot be read"


def _is_placeholder(length: int) -> bool:
    return any(length in values for values in _PLACEHOLDERS)


def _aiff(view: View) -> Survey:
    block, samples = 0, None
    for name, start, length in _chunks(view, 12, ">"):
        if name == b"COMM":
            coding = view.read(start + 18, 4) if view.read(8, 4) == b"AIFC" else b"NONE"
            channels, bits = struct.unpack(">H4xH", view.read(start, 8))
            block = channels * -(-bits // 8) if coding in _AIFF_EXACT else 0
        elif name == b"SSND":
            samples = start + 8, max(0, length - 8)  # after an offset, which is 0, and a block size
    if samples is None:
        return Survey(fault="truncated: it ends before its samples")
    return _samples(view, block, *samples, ">")


def _au(view: View) -> Survey:
    start, length, coding = struct.unpack(">4xIII", view.read(0, 16))
    there = view.size - start
    if length > there and not _is_placeholder(length):
        return Survey(fault=f"truncated: {max(0, there)} of {length} bytes of samples are there")
    return Survey(coding in _AU_EXACT and length >= there)  # ffmpeg reads on behind the length


def _sphere(view: View) -> Survey:
    fields = dict(re.findall(rb"(?m)^(\w+) -\w+ ([^\s]+)", view.head))
    try:
        start = int(view.head[8:16])
        names = (b"sample_count", b"channel_count", b"sample_n_bytes")
        count, channels, width = (int(fields[name]) for name in names)
    except (KeyError, ValueError):
        return Survey()
    coding = fields.get(b"sample_coding", b"pcm")
    if coding not in (b"pcm", b"ulaw", b"mu-law", b"alaw"):  # compressed: ffmpeg will say
        return Survey()
    there, length = view.size - start, count * channels * width
    if length > there:
        return Survey(fault=f"truncated: {max(0, there)} of {length} bytes of samples are there")
    return Survey(length == there)


def _w64(view: View) -> Survey:
    block, position = 0, 40
    for _ in range(_MAX_CHUNKS):
        name, length = struct.unpack("<4s12xQ", view.read(position, 24))
        start, end = position + 24, position + length
        if name == b"fmt ":
            block = _wav_block(view, start, "<")
        elif name == b"data" and length < 24:  # never finished
            return Survey()
        elif name == b"data" and end > view.size and not _is_placeholder(length):
            there = view.size - start
            return Survey(fault=f"truncated: {there} of {length - 24} bytes of samples are there")
        elif name == b"data" and end >= view.size:
            return _whole(block, view.size - start)
        elif name == b"data":  # libsndfile would read on behind the end
            chunk = view.read(end + -length % 8 + 4, 12) == view.read(position + 4, 12)
            return Survey(fault="" if chunk else _leftover(view, end))
        if length < 24:
            break
        position = end + -length % 8
    return Survey(fault="truncated: it ends before its samples")


def _caf(view: View) -> Survey:
    """ffmpeg decodes it, but says nothing of an end that is missing."""
    position = 8
    for _ in range(_MAX_CHUNKS):
        name, length = struct.unpack(">4sq", view.read(position, 12))
        there = view.size - position - 12
        if name == b"data":
            cut = f"truncated: {there} of {length} bytes of samples are there"
            return Survey(fault=cut if length > there else "")
        if length < 0:
            break
        position += 12 + length
    return Survey(fault="truncated: it ends before its samples")


_PARSERS: dict[bytes, Callable[[View], Survey]] = {
    **dict.fromkeys((b"RIFF", b"RIFX", b"RF64", b"BW64"), _wav),
    b"FORM": _aiff,
    b".snd": _au,
    b"NIST": _sphere,
    b"riff": _w64,
    b"caff": _caf,
}
