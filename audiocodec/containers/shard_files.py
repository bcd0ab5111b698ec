"""Shards of either format, opened by their suffix; a few are kept open between rows."""

import tarfile
from collections import OrderedDict
from pathlib import Path
from threading import Lock

import numpy as np

from audiocodec.containers.metadata import CodesMetadata
from audiocodec.containers.shard_parquet import ParquetShard
from audiocodec.containers.shard_rows import Shard
from audiocodec.containers.shard_tar import TarShard
from audiocodec.errors import CodeFileError, one_line

SHARD_SUFFIXES = (".parquet", ".tar")
_UNREADABLE = (OSError, ValueError, TypeError, KeyError, MemoryError, NotImplementedError)
_MOST_OPEN = 4


def open_shard(path: Path) -> Shard:
    """The rows of a file with one of `SHARD_SUFFIXES`.

    Raises:
        CodeFileError: missing, damaged, or not a shard.
        MissingPackage: a Parquet file, and pyarrow is not installed.
    """
    if not path.is_file():
        raise CodeFileError(f"{path}: no {'regular file' if path.exists() else 'such file'}")
    parquet = path.suffix.lower() == ".parquet"
    try:
        return ParquetShard(path) if parquet else TarShard(path)
    except CodeFileError as error:
        raise CodeFileError(f"{path}: {error}") from None
    except (*_UNREADABLE, tarfile.TarError) as error:
        kind = "Parquet" if parquet else "tar"
        raise CodeFileError(f"{path}: damaged, or no {kind} file: {one_line(error)}") from None


class OpenShards:
    """Reads rows for several threads and keeps the last few shards open."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.shards: OrderedDict[Path, Shard] = OrderedDict()

    def read(self, path: Path, row: int) -> tuple[np.ndarray, CodesMetadata]:
        """`Shard.read`; fastest if the rows of a file are asked for roughly in their order."""
        with self.lock:
            shard = self.shards.pop(path, None) or open_shard(path)
            self.shards[path] = shard
            if len(self.shards) > _MOST_OPEN:
                self.shards.popitem(last=False)[1].close()
            try:
                return shard.read(row)
            except (CodeFileError, *_UNREADABLE) as error:
                name = shard.rows[row].id if row < len(shard.rows) else ""
                raise CodeFileError(f"{path}: row {row} ({name}): {one_line(error)}") from None

    def close(self) -> None:
        """Close all."""
        with self.lock:
            while self.shards:
                self.shards.popitem()[1].close()
