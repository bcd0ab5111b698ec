"""Local paths and the URLs of fsspec (`s3://`, `gs://`, `memory://`, ...) alike.

What a URL needs beside its name (keys, endpoints) comes from where fsspec and the store's own tools
look for it: the environment and their configuration files.
"""

import contextlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import uuid4

from audiocodec.errors import CodecError, DataError, one_line
from audiocodec.extras import extra
from audiocodec.files import atomic_path

# A single put makes a whole object or none; elsewhere files are renamed when they are whole.
_OBJECT_STORES = {"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "oss", "memory"}
UNREACHABLE = (ConnectionError, TimeoutError, PermissionError)  # not the fault of the file
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_PATTERN = re.compile(r"[*?\[]")


class StoreError(CodecError):
    """A store that does not answer, or refuses: the fault of no recording in it."""


def is_url(name: object) -> bool:
    """Whether a name is a URL rather than a local path."""
    return _URL.match(str(name)) is not None and not str(name).startswith("file://")


def local_path(name: str) -> Path:
    """The path of a name that is no URL; `file://` is one way to write it."""
    path = name.removeprefix("file://")
    return Path(path[1:] if re.match("/[A-Za-z]:[/\\\\]", path) and os.name == "nt" else path)


def join(folder: str, *names: str) -> str:
    """A name below a folder."""
    if is_url(folder):
        return "/".join((folder.rstrip("/"), *names))
    return str(local_path(folder).joinpath(*names))


def beside(name: str, other: str) -> str:
    """Another name in the folder of a file."""
    if is_url(name):
        return f"{name.rpartition('/')[0]}/{other}"
    return str(local_path(name).parent / other)


def last(name: str) -> str:
    """The last part of a path or URL."""
    return PurePosixPath(name).name if is_url(name) else Path(name).name


def stem(name: str) -> str:
    """The last part of a path or URL without its suffix."""
    return Path(last(name)).stem


@contextlib.contextmanager
def store_of(url: str) -> Iterator[tuple[Any, str]]:
    """The fsspec file system of a URL and the path in it; its errors name the URL.

    Raises:
        MissingPackage: fsspec, or what it needs for this kind of URL, is not installed.
        DataError: the path does not exist.
        StoreError: all other trouble.
    """
    with extra("remote"):
        from fsspec.core import url_to_fs

        try:
            store, path = url_to_fs(url)
        except ValueError as error:
            raise DataError(f"{url}: {one_line(error)}") from None
    try:
        yield store, path
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        raise DataError(f"{url}: no such file or folder") from None
    except CodecError:
        raise
    except Exception as error:  # each store has exceptions of its own
        text = one_line(error) or type(error).__name__
        raise StoreError(f"{url}: the store does not give or take it: {text}") from error


def is_file(name: str) -> bool:
    """Whether there is such a file."""
    if not is_url(name):
        return local_path(name).is_file()
    with store_of(name) as (store, path):
        return bool(store.isfile(path))


def is_folder(name: str) -> bool:
    """Whether there is such a folder; a store has it if there are files in it."""
    if not is_url(name):
        return local_path(name).is_dir()
    with store_of(name) as (store, path):
        return bool(store.isdir(path))


def read_bytes(name: str) -> bytes:
    """All of a file.

    Raises:
        DataError: there is none.
    """
    if is_url(name):
        with store_of(name) as (store, path):
            return bytes(store.cat_file(path))
    try:
        return local_path(name).read_bytes()
    except OSError as error:
        raise DataError(f"{name}: cannot read: {error.strerror or error}") from None


def write_bytes(name: str, data: bytes) -> None:
    """Make a file, whole or not at all."""
    with output(name) as path:
        if is_url(name):
            path.write_bytes(data)
        else:
            with atomic_path(path) as temporary:
                temporary.write_bytes(data)


@contextlib.contextmanager
def output(name: str) -> Iterator[Path]:
    """A local path to write to, whole or not at all, that becomes `name` in the end."""
    if not is_url(name):
        yield local_path(name)
        return
    with tempfile.TemporaryDirectory(prefix="codec-") as folder:
        local = Path(folder) / PurePosixPath(name).name
        yield local
        with store_of(name) as (store, path):
            _put(store, local, path, name.partition("://")[0])


def _put(store: Any, local: Path, path: str, protocol: str) -> None:
    if protocol in _OBJECT_STORES:
        store.put_file(str(local), path)
        return
    temporary = f"{path}.{uuid4().hex}.tmp"
    store.makedirs(str(PurePosixPath(path).parent), exist_ok=True)
    try:
        store.put_file(str(local), temporary)
        store.mv(temporary, path)
    finally:
        with contextlib.suppress(Exception):
            store.rm_file(temporary)


@contextlib.contextmanager
def local_copy(name: str) -> Iterator[Path]:
    """The path of a local file, or of a copy of what a URL names, with the same suffixes."""
    if not is_url(name):
        yield local_path(name)
        return
    with tempfile.TemporaryDirectory(prefix="codec-") as folder:
        copy = Path(folder) / PurePosixPath(name).name
        with store_of(name) as (store, path):
            store.get_file(path, str(copy))
        yield copy


def names_in(folder: str) -> set[str]:
    """The names of the files right in a folder; none if there is no such folder."""
    if not is_url(folder):
        here = local_path(folder)
        return {item.name for item in here.iterdir()} if here.is_dir() else set()
    with store_of(folder) as (store, path):
        store.invalidate_cache()
        found = store.ls(path, detail=False) if store.isdir(path) else []
        return {PurePosixPath(name).name for name in found}


def files_below(url: str, suffixes: Sequence[str]) -> list[str]:
    """URLs of the files below a URL, in the order of `walk`: those of a folder before those of its
    folders, each sorted by name. Hidden ones are left out.
    """
    with store_of(url) as (store, root):
        found = store.find(root)
        inside = [PurePosixPath(name).relative_to(PurePosixPath(root)) for name in found]
    kept = [
        path
        for path in inside
        if path.suffix.lower() in suffixes and not any(part.startswith(".") for part in path.parts)
    ]
    kept.sort(key=lambda path: [*((1, part) for part in path.parts[:-1]), (0, path.name)])
    return [join(url, *inner.parts) for inner in kept]


def expanded(url: str) -> list[str]:
    """A URL, or those that fit it if it has `*`, `?` or `[`: a shell expands paths only.

    Raises:
        DataError: none fits.
    """
    if not _PATTERN.search(url):
        return [url]
    protocol = url.partition("://")[0]
    with store_of(url) as (store, path):
        found = sorted(store.glob(path))
    if not found:
        raise DataError(f"{url}: fits no file there")
    return [f"{protocol}://{name.lstrip('/')}" for name in found]
