"""Weights of other codecs on disk, and random ones; nothing is ever downloaded or unpickled."""

import contextlib
import importlib.metadata
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from audiocodec.errors import CodecError, ModelError, one_line


@contextlib.contextmanager
def building(folder: Path | None) -> Iterator[None]:
    """Around imports, construction and loading: seeded, without the warnings of old packages.

    Raises:
        ModelError: whatever a package says of weights that it cannot use.
    """
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        try:
            yield
        except Exception as error:  # each package, and each format, has its own
            if folder is None or isinstance(error, CodecError):
                raise
            raise ModelError(f"{folder}: cannot be loaded: {one_line(error)[:300]}") from error


def only_file(folder: Path, *patterns: str) -> Path | None:
    """The file of `folder` that matches one of `patterns`; None if none does.

    Raises:
        ModelError: several match.
    """
    found = sorted({path for pattern in patterns for path in folder.glob(pattern)})
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise ModelError(f"{folder}: has several files of weights ({names}); keep one")
    return found[0] if found else None


def read_state(path: Path) -> Any:
    """What torch.save wrote, tensors and plain values only.

    Raises:
        ModelError: anything else.
    """
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever torch makes of bytes that are something else
        raise ModelError(f"{path}: is no file of weights: {one_line(error)[:200]}") from error


def package_version(distribution: str) -> str:
    """Name and version of an installed distribution."""
    return f"{distribution} {importlib.metadata.version(distribution)}"
