"""Outputs that are either whole or absent: write under a temporary name, then rename."""

import contextlib
import errno
import functools
import hashlib
import os
import re
import shutil
import sys
import tempfile
import threading
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from audiocodec.errors import CodecError, one_line

_UMASK_LOCK = threading.Lock()
# What systems say of a rename to a folder that is there; Windows speaks of permissions.
_IN_THE_WAY = {errno.ENOTEMPTY, errno.EEXIST} | ({errno.EACCES} if os.name == "nt" else set())
_NOT_IN_WINDOWS = re.compile(
    r"""[<>:"|?*\\\x00-\x1f] | [ .]($|/) | (^|/)(con|prn|aux|nul|com\d|lpt\d)(\.[^/]*)?($|/)""",
    re.IGNORECASE | re.VERBOSE,
)


def can_name(identifier: str, windows: bool = os.name == "nt") -> bool:
    """Whether an id, with `/` between folders, can name a file that stays within its folder."""
    if {"", ".", ".."} & set(identifier.split("/")) or "\0" in identifier:
        return False
    return not (windows and _NOT_IN_WINDOWS.search(identifier))


def require_utf8(path: str | Path) -> None:
    """Raises CodecError for a name that libraries which write there (safetensors) cannot open."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        name = os.fsencode(path).decode(errors="backslashreplace")
        raise CodecError(f"{name}: the name is not UTF-8; give another") from None


def archive_of(name: str | Path) -> tuple[Path, int] | None:
    """The Kaldi archive, and the byte in it, that "a.ark:123" stands for; None where a file has
    that name, or none has the archive's.
    """
    path, colon, offset = str(name).rpartition(":")
    is_offset = offset.isdecimal() and len(offset) < 19  # more than systems can count to
    if not (colon and is_offset and os.path.isfile(path)) or os.path.exists(name):
        return None
    return Path(path), int(offset)


def same_file_key(path: str | Path) -> str:
    """Equal for paths that are one file there: where case is ignored, that of names is, too."""
    absolute = os.path.abspath(path)
    if _ignores_case(Path(absolute).parent):
        return unicodedata.normalize("NFC", absolute).casefold()
    return absolute


@functools.cache
def _ignores_case(folder: Path) -> bool:
    """Whether the file system of a folder, or of where it will be made, takes A and a for one."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    other = folder.with_name(folder.name.swapcase())
    if other == folder:  # no letter to try; the system's habit
        return sys.platform in ("win32", "darwin")
    try:
        return other.samefile(folder)
    except OSError:
        return False


@contextlib.contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """A temporary path in the folder of `target` that becomes `target` when the block succeeds.

    The suffix is kept, so that libraries which choose a format by it still work. On any error,
    Ctrl-C included, the temporary file is removed and a former `target` stays as it was.

    Raises:
        CodecError: the file cannot be written (no space, no permission, ...).
    """
    target = Path(target)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.stem[:40]}.", suffix=f".tmp{target.suffix}", dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())  # mkstemp makes private files
        os.replace(temporary, target)
        temporary = None
    except OSError as error:
        raise CodecError(f"{target}: cannot write: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(target: str | Path) -> Iterator[Path]:
    """A temporary folder beside `target` that replaces it when the block succeeds.

    Files are flushed to disk before the rename: a folder under its final name is complete.
    """
    target = Path(target)
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _folder_beside(target, ".tmp")
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        for path in temporary.rglob("*"):
            if path.is_file():
                os.chmod(path, 0o666 & ~_umask())  # some writers make private files
                with open(path, "r+b") as file:  # Windows flushes only what may be written
                    os.fsync(file.fileno())
        _replace_folder(temporary, target)
    except OSError as error:
        raise CodecError(f"{target}: cannot write: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def library_writes() -> Iterator[None]:
    """Around one call of a library that writes a file: a full disk is an OSError, as elsewhere.

    safetensors and torch have exceptions of their own for it, which the handlers here would miss.
    """
    try:
        yield
    except (OSError, MemoryError):
        raise
    except Exception as error:
        raise OSError(one_line(error)) from error


def _folder_beside(target: Path, suffix: str) -> Path:
    name = f".{target.name[:40]}."  # names are limited to 255 bytes
    return Path(tempfile.mkdtemp(prefix=name, suffix=suffix, dir=target.parent))


def _replace_folder(new: Path, target: Path) -> None:
    """Rename `new` to `target`; a folder there is moved away first, since none can be replaced."""
    while True:
        try:
            os.replace(new, target)
            return
        except OSError as error:
            # Without permission there may be no folder at all; then nothing can be moved away.
            denied = error.errno == errno.EACCES and not target.is_dir()
            if error.errno not in _IN_THE_WAY or denied:
                raise
        old = _folder_beside(target, ".old")
        with contextlib.suppress(FileNotFoundError):  # another writer was faster
            os.replace(target, old / "folder")
        shutil.rmtree(old)


def _umask() -> int:
    with _UMASK_LOCK:  # it can be read only by setting it, for all threads
        mask = os.umask(0)
        os.umask(mask)
    return mask


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
