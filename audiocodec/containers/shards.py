"""Codes of a corpus in few large files, for language model training: Parquet or WebDataset.

The bytes depend on the rows alone, so that an interrupted or repeated run gives the same files.
"""

import io
import json
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from audiocodec.containers.metadata import CodesMetadata
from audiocodec.extras import extra
from audiocodec.files import atomic_path

_FIELDS = ("id", "speaker", "num_samples", "text", "source")  # of a row, beside its codes


@dataclass(frozen=True)
class Row:
    """One utterance.

    codes: (num_quantizers, frames), or flattened frame by frame, (frames * num_quantizers,).
    num_samples: at the model's rate.
    text: what is said.
    source: the file that the row was made of.
    """

    id: str
    speaker: str | None
    codes: np.ndarray
    num_samples: int
    text: str | None = None
    source: str | None = None


def describe(metadata: CodesMetadata) -> dict[str, Any]:
    """What rows of one model share; every row says it, since other programs drop what the file
    says.
    """
    return {
        "model": metadata.model,
        "model_hash": metadata.model_hash,
        "sample_rate": metadata.sample_rate,
        "hop_length": metadata.hop_length,
        "codebook_sizes": list(metadata.codebook_sizes),
    }


def write_parquet(path: Path, rows: Sequence[Row], shared: Mapping[str, Any]) -> None:
    """A table with a column for each field of `Row` and for each value of `shared`, which is in
    the schema's metadata, too.
    """
    arrow, parquet = import_pyarrow()
    assert len({(row.codes.dtype, row.codes.ndim) for row in rows}) == 1
    columns = {
        "id": _strings([row.id for row in rows]),
        "speaker": _strings([row.speaker for row in rows]),
        "num_samples": arrow.array([row.num_samples for row in rows], arrow.int64()),
        "codes": _lists([row.codes for row in rows]),
        "text": _strings([row.text for row in rows]),
        "source": _strings([row.source for row in rows]),
        **{name: arrow.array([value] * len(rows)) for name, value in shared.items()},
    }
    texts = {name: v if isinstance(v, str) else json.dumps(v) for name, v in shared.items()}
    table = arrow.table(columns).replace_schema_metadata(texts)
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def _strings(values: Sequence[str | None]) -> Any:
    """UTF-8 whatever the names: bytes that are no text become escapes."""
    arrow, _ = import_pyarrow()
    texts = [v if v is None else v.encode("utf-8", "backslashreplace").decode() for v in values]
    return arrow.array(texts, arrow.string())


def _lists(arrays: Sequence[np.ndarray]) -> Any:
    """An array of lists, as deeply nested as the arrays, without a Python object for each code."""
    arrow, _ = import_pyarrow()
    values = arrow.array(np.concatenate([array.ravel() for array in arrays]))
    if arrays[0].ndim == 2:
        frames = [len(stage) for array in arrays for stage in array]
        values = arrow.ListArray.from_arrays(_offsets(frames), values)
    return arrow.ListArray.from_arrays(_offsets(list(map(len, arrays))), values)


def import_pyarrow() -> tuple[ModuleType, ModuleType]:
    """pyarrow and pyarrow.parquet; raises MissingPackage."""
    with extra("parquet"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow, pyarrow.parquet


def _offsets(lengths: Sequence[int]) -> np.ndarray:
    return np.cumsum([0, *lengths], dtype=np.int32)


def write_webdataset(path: Path, rows: Sequence[Row], shared: Mapping[str, Any]) -> None:
    """A tar file with `NNNNNNNNN.npy` and `NNNNNNNNN.json` for each row.

    Keys are numbers, since WebDataset cuts names at the first dot; the id is in the JSON.
    """
    with atomic_path(path) as temporary, tarfile.open(temporary, "w") as tar:
        for index, row in enumerate(rows):
            array = io.BytesIO()
            np.save(array, row.codes)
            values = {name: getattr(row, name) for name in _FIELDS} | dict(shared)
            line = json.dumps(values, ensure_ascii=False)
            text = line.encode("utf-8", "backslashreplace")  # to JSON's escapes
            for suffix, data in (("npy", array.getvalue()), ("json", text)):
                member = tarfile.TarInfo(f"{index:09d}.{suffix}")  # no time, no owner
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


Writer = Callable[[Path, Sequence[Row], Mapping[str, Any]], None]
FORMATS: dict[str, tuple[str, Writer]] = {
    "parquet": (".parquet", write_parquet),
    "webdataset": (".tar", write_webdataset),
}


def writer(kind: str) -> tuple[str, Writer]:
    """Suffix and writer of one of `FORMATS`.

    Raises:
        MissingPackage: pyarrow is not installed.
    """
    if kind == "parquet":
        import_pyarrow()  # before hours of encoding, not after
    return FORMATS[kind]
