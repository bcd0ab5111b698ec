"""The rows of a Parquet file, a batch at a time: a file may hold more than fits into memory."""

from collections import deque
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.containers.metadata import CodesMetadata
from audiocodec.containers.shard_rows import (
    LABELS,
    SHARED,
    Shard,
    checked,
    listed,
    metadata_of,
)
from audiocodec.containers.shards import import_pyarrow
from audiocodec.errors import CodeFileError

_BATCH = 128  # rows that are decompressed together
_BUFFER = 1 << 20  # bytes; without one, all codes of a row group are read at once


class ParquetShard(Shard):
    """Batches of rows one after the other; going back starts anew."""

    def __init__(self, path: Path) -> None:
        _, parquet = import_pyarrow()
        self.file = parquet.ParquetFile(
            path, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True
        )
        schema = self.file.schema_arrow
        fields = {field.name: field.type for field in schema}
        if not _holds_codes(fields.get("codes")) or not {"id", "num_samples"} <= set(fields):
            raise CodeFileError(
                "not a shard of codes; it has the columns id, num_samples and codes (lists of "
                "lists of integers, or flat lists)"
            )
        in_file = {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in (schema.metadata or {}).items()
        }
        self.rows = []
        self.described: list[Mapping[str, object]] = []  # the model of each row
        wanted = [name for name in ("id", "num_samples", *LABELS, *SHARED) if name in fields]
        for batch in self.file.iter_batches(columns=wanted):
            self._list(batch.to_pylist(), in_file)
        self.shared = self.described[0] if self.rows else in_file
        self.mixed = any(model is not self.shared for model in self.described)
        self._rewind()

    def _list(self, rows: list[dict[str, object]], in_file: Mapping[str, object]) -> None:
        """Add rows; what they say of their model goes before what the file says."""
        for values in rows:
            own = {name: values[name] for name in SHARED if values.get(name) is not None}
            model = {**in_file, **own}
            former = self.described[-1] if self.described else None
            self.described.append(former if former is not None and model == former else model)
            self.rows.append(listed(len(self.rows), values))

    def _rewind(self) -> None:
        self.batches: Iterator[Any] = self.file.iter_batches(_BATCH, columns=["codes"])
        self.recent: deque[tuple[int, Any]] = deque(maxlen=2)  # first row and batch
        self.next_row = 0

    def read(self, row: int) -> tuple[np.ndarray, CodesMetadata]:
        metadata = metadata_of(self.described[row], self.rows[row].num_samples)
        codes = self._batch_value(row).values
        if codes is None:
            raise CodeFileError("has no codes")
        if not hasattr(codes, "value_lengths"):  # flattened
            return checked(codes.to_numpy(zero_copy_only=False), metadata)
        lengths = codes.value_lengths().to_pylist()
        if len(set(lengths)) != 1 or None in lengths:
            raise CodeFileError("has no codes, or stages of different lengths")
        stages = codes.flatten().to_numpy(zero_copy_only=False)
        return checked(stages.reshape(len(lengths), -1), metadata)

    def _batch_value(self, row: int) -> Any:
        """The list scalar of a row."""
        if row < (self.recent[0][0] if self.recent else self.next_row):
            self._rewind()
        while row >= self.next_row:
            batch = next(self.batches, None)
            if batch is None:
                raise CodeFileError("the file is damaged here, or before")
            self.recent.append((self.next_row, batch))
            self.next_row += batch.num_rows
        start, batch = next(pair for pair in reversed(self.recent) if pair[0] <= row)
        return batch.column(0)[row - start]

    def close(self) -> None:
        self.file.close()


def _holds_codes(kind: Any) -> bool:
    """Whether a column is of lists of integers, or of lists of such lists."""
    arrow, _ = import_pyarrow()
    depth = 0
    while kind is not None and (arrow.types.is_list(kind) or arrow.types.is_large_list(kind)):
        kind, depth = kind.value_type, depth + 1
    return depth in (1, 2) and arrow.types.is_integer(kind)
