"""The one walk through a folder: it follows links, and counts what it leaves out, and why."""

import logging
import os
import stat
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

log = logging.getLogger(__name__)


def walk(folder: str | Path, suffixes: Sequence[str]) -> list[Path]:
    """The regular files below `folder` with one of `suffixes`, those of a folder before those of
    its folders, each sorted by name.

    Links are followed, but not into a folder that is around them. Hidden files are left out: they
    are other programs' unfinished ones. One warning counts what was left out.
    """
    left_out: Counter[str] = Counter()
    files = list(_files(Path(folder), suffixes, left_out, ()))
    if left_out:
        counts = ", ".join(f"{count} {reason}" for reason, count in sorted(left_out.items()))
        log.warning("%s: %d files taken; left out: %s", folder, len(files), counts)
    return files


def _files(
    folder: Path,
    suffixes: Sequence[str],
    left_out: Counter[str],
    around: tuple[tuple[int, int], ...],
) -> Iterator[Path]:
    """The files below one folder; `around` are device and number of it and of those around it."""
    try:
        status = folder.stat()
        if (status.st_dev, status.st_ino) in around:
            left_out["links that go round in a circle"] += 1
            return
        names = sorted(os.listdir(folder))
    except OSError as error:
        left_out[f"folders ({error.strerror})"] += 1
        return
    folders = []
    for name in names:
        path = folder / name
        kind = _kind(path, suffixes)
        if kind == "folder":
            folders.append(path)
        elif kind == "file":
            yield path
        else:
            left_out[kind] += 1
    for path in folders:
        yield from _files(path, suffixes, left_out, (*around, (status.st_dev, status.st_ino)))


def _kind(path: Path, suffixes: Sequence[str]) -> str:
    """`folder` or `file` for what is taken, else why it is not."""
    if path.name.startswith("."):
        return "hidden"
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return "links to nothing" if path.is_symlink() else f"files ({error.strerror})"
    if stat.S_ISDIR(mode):
        return "folder"
    if not stat.S_ISREG(mode):
        return "pipes or devices"
    suffix = path.suffix.lower()
    return "file" if suffix in suffixes else f"{suffix or 'without suffix'}"
