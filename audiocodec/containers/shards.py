"""Codes of a corpus in few large files, for language model training: Parquet or WebDataset.

The bytes depend on the rows alone, so that an interrupted or repeated run gives the same files.
"""

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from audiocodec.containers.metadata import CodesMetadata
from audiocodec.extras import extra
from audiocodec.files import atomic_path


@dataclass(frozen=True)
class Row:
    """One utterance; codes (num_quantizers, frames)."""

    id: str
    speaker: str | None
    codes: np.ndarray
    num_samples: int  # at the model's rate


def describe(metadata: CodesMetadata) -> dict[str, str]:
    """What all rows of a file share, as its metadata."""
    return {
        "model": metadata.model,
        "model_hash": metadata.model_hash,
        "sample_rate": str(metadata.sample_rate),
        "hop_length": str(metadata.hop_length),
        "codebook_sizes": json.dumps(metadata.codebook_sizes),
    }


def write_parquet(path: Path, rows: Sequence[Row], shared: dict[str, str]) -> None:
    """A table with the columns id, speaker, num_samples, codes; `shared` in the schema."""
    arrow, parquet = import_pyarrow()
    dtype = rows[0].codes.dtype
    frames = [len(stage) for row in rows for stage in row.codes]
    stages = [len(row.codes) for row in rows]
    values = np.concatenate([row.codes.ravel() for row in rows])
    inner = arrow.ListArray.from_arrays(_offsets(frames), arrow.array(values))
    speakers = [row.speaker and _text(row.speaker) for row in rows]
    columns = {
        "id": arrow.array([_text(row.id) for row in rows], arrow.string()),
        "speaker": arrow.array(speakers, arrow.string()),
        "num_samples": arrow.array([row.num_samples for row in rows], arrow.int64()),
        "codes": arrow.ListArray.from_arrays(_offsets(stages), inner),
    }
    assert all(row.codes.dtype == dtype for row in rows)
    table = arrow.table(columns).replace_schema_metadata(shared)
    with atomic_path(path) as temporary:
        parquet.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def import_pyarrow() -> tuple[ModuleType, ModuleType]:
    """pyarrow and pyarrow.parquet; raises MissingPackage."""
    with extra("parquet"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow, pyarrow.parquet


def _text(name: str) -> str:
    """UTF-8 whatever the name: bytes that are no text become escapes."""
    return name.encode("utf-8", "backslashreplace").decode()


def _offsets(lengths: Sequence[int]) -> np.ndarray:
    return np.cumsum([0, *lengths], dtype=np.int32)


def write_webdataset(path: Path, rows: Sequence[Row], shared: dict[str, str]) -> None:
    """A tar file with `NNNNNNNNN.npy` and `NNNNNNNNN.json` for each row.

    Keys are numbers, since WebDataset cuts names at the first dot; the id is in the JSON.
    """
    with atomic_path(path) as temporary, tarfile.open(temporary, "w") as tar:
        for index, row in enumerate(rows):
            array = io.BytesIO()
            np.save(array, row.codes)
            values = {"id": row.id, "speaker": row.speaker, "num_samples": row.num_samples}
            line = json.dumps(values | shared, ensure_ascii=False)
            text = line.encode("utf-8", "backslashreplace")  # to JSON's escapes
            for suffix, data in (("npy", array.getvalue()), ("json", text)):
                member = tarfile.TarInfo(f"{index:09d}.{suffix}")  # no time, no owner
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


Writer = Callable[[Path, Sequence[Row], dict[str, str]], None]
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
