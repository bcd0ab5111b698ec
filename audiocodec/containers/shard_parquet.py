"""The rows of a Parquet file, a batch at a time: a file may hold more than fits into memory."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.containers.metadata import CodesMetadata
from audiocodec.containers.shard_rows import Shard, checked, listed, metadata_of
from audiocodec.containers.shards import import_pyarrow
from audiocodec.errors import CodeFileError

_BATCH = 128  # rows that are decompressed together
_BUFFER = 1 << 20  # bytes; without one, all codes of a row group are read at once


class ParquetShard(Shard):
    """Batches of rows one after the other; going back starts anew."""

    def __init__(self, path: Path) -> None:
        arrow, parquet = import_pyarrow()
        self.file = parquet.ParquetFile(
            path, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True
        )
        schema, types = self.file.schema_arrow, arrow.types
        fields = {field.name: field.type for field in schema}
        codes: Any = fields.get("codes", arrow.null())
        for _ in range(2):
            is_list = types.is_list(codes) or types.is_large_list(codes)
            codes = codes.value_type if is_list else arrow.null()
        if not types.is_integer(codes) or not {"id", "num_samples"} <= set(fields):
            raise CodeFileError(
                "not a shard of codes; it has the columns id, num_samples and codes (lists of "
                "lists of integers)"
            )
        self.shared = {
            name.decode("utf-8", "replace"): value.decode("utf-8", "replace")
            for name, value in (schema.metadata or {}).items()
        }
        table = self.file.read(columns=["id", "num_samples"])
        columns = (table["id"].to_pylist(), table["num_samples"].to_pylist())
        self.rows = [listed(i, *pair) for i, pair in enumerate(zip(*columns, strict=True))]
        self._rewind()

    def _rewind(self) -> None:
        self.batches: Iterator[Any] = self.file.iter_batches(_BATCH, columns=["codes"])
        self.recent: deque[tuple[int, Any]] = deque(maxlen=2)  # first row and batch
        self.next_row = 0

    def read(self, row: int) -> tuple[np.ndarray, CodesMetadata]:
        metadata = metadata_of(self.shared, self.rows[row].num_samples)
        stages = self._batch_value(row).values
        lengths = [] if stages is None else stages.value_lengths().to_pylist()
        if len(set(lengths)) != 1 or None in lengths:
            raise CodeFileError("has no codes, or stages of different lengths")
        codes = stages.flatten().to_numpy(zero_copy_only=False)
        return checked(codes.reshape(len(lengths), -1), metadata)

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
