"""Text tables as people have them: "id value" lines, whatever invisible characters are around.

Names are bytes: what is not UTF-8 is kept as Python keeps it in paths (surrogate escapes).
"""

import re
from collections.abc import Iterator
from pathlib import Path

from audiocodec.errors import DataError

_MOST = 1 << 30  # bytes of a table; larger files are refused
_INVISIBLE = "\ufeff\u200b\u200e\u200f\u2060"  # byte-order marks, also of joined files; zero width
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def table_lines(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, id and value (up to the end of the line, "" if absent) of each line of a file.

    Blanks of any kind and number part the two and are part of neither; so are byte-order marks.

    Raises:
        DataError: the file is missing or no text.
    """
    for number, line in text_lines(path):
        key, *value = re.split(r"\s+", line, maxsplit=1)
        yield number, bare(key), bare(value[0]) if value else ""


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text, without blanks around it, of each line of a file that has any.

    Raises:
        DataError: the file is missing or no text.
    """
    for number, line in enumerate(re.split("\r\n|\n|\r", _text(path)), 1):
        if text := bare(line):
            yield number, text


def bare(text: str) -> str:
    """`text` without blanks and invisible characters at its ends."""
    before = None
    while before != text:
        before, text = text, text.strip().strip(_INVISIBLE)
    return text


def _text(path: Path) -> str:
    data = bytearray()
    try:
        with open(path, "rb") as file:
            while piece := file.read(1 << 20):
                data += piece
                if len(data) > _MOST or (b"\0" in piece and not data.startswith(_UTF_16)):
                    raise DataError(f"{path}: no text; give a file of lines 'id value'")
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror}") from None
    if data.startswith(_UTF_16):  # as spreadsheets export it
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "surrogateescape")
