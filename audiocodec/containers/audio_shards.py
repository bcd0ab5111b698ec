"""Recordings of a corpus in few large files, to train codecs on: Parquet or WebDataset tar.

The bytes depend on the rows alone, so that an interrupted or repeated run gives the same files.
"""

import io
import json
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiocodec.containers.shards import import_pyarrow

_GROUP_BYTES = 4 << 20  # of audio in a row group, which is read as a whole for one crop


@dataclass(frozen=True)
class Recording:
    """One sound file, `data`, whose format `suffix` names; `num_samples` is a channel's."""

    id: str
    speaker: str
    num_samples: int
    sample_rate: int
    suffix: str
    data: bytes
    text: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        """What is said of it."""
        names = ("id", "speaker", "num_samples", "sample_rate", "text")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value is not None}


Numbered = Iterator[tuple[int, Recording]]  # with their places in the corpus


def write_tar(path: Path, recordings: Numbered) -> None:
    """A WebDataset tar file with `NNNNNNNNN.<suffix>` and `NNNNNNNNN.json` for each recording.

    Keys are numbers, since WebDataset cuts names at the first dot; the id is in the JSON.
    """
    with tarfile.open(path, "w") as tar:
        for number, recording in recordings:
            line = json.dumps(recording.values, ensure_ascii=False)
            text = line.encode("utf-8", "backslashreplace")  # to JSON's escapes
            for suffix, data in ((recording.suffix, recording.data), (".json", text)):
                member = tarfile.TarInfo(f"{number:09d}{suffix}")  # no time, no owner
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def write_parquet(path: Path, recordings: Numbered) -> None:
    """A table with the columns id, speaker, num_samples, sample_rate, text and audio: bytes and
    path, as Hugging Face `datasets` has audio. Row groups are small, for reading at random.
    """
    arrow, parquet = import_pyarrow()
    audio = arrow.struct([("bytes", arrow.binary()), ("path", arrow.string())])
    fields = {"id": arrow.string(), "speaker": arrow.string(), "num_samples": arrow.int64()}
    fields |= {"sample_rate": arrow.int32(), "text": arrow.string(), "audio": audio}
    schema = arrow.schema(list(fields.items()))
    with parquet.ParquetWriter(
        path,
        schema,
        compression={"audio.bytes": "none"},
        use_dictionary=False,
        write_statistics=["id"],
        write_page_checksum=True,
    ) as writer:
        for group in _groups(recordings):
            rows = [
                _escaped(recording.values)
                | {"audio": {"bytes": recording.data, "path": f"{number:09d}{recording.suffix}"}}
                for number, recording in group
            ]
            writer.write_table(arrow.Table.from_pylist(rows, schema=schema))


def _groups(recordings: Numbered) -> Iterator[list[tuple[int, Recording]]]:
    group: list[tuple[int, Recording]] = []
    for pair in recordings:
        group.append(pair)
        if sum(len(recording.data) for _, recording in group) >= _GROUP_BYTES:
            yield group
            group = []
    if group:
        yield group


def _escaped(values: dict[str, Any]) -> dict[str, Any]:
    """UTF-8 whatever the names: bytes that are no text become escapes."""
    return {
        name: v.encode("utf-8", "backslashreplace").decode() if isinstance(v, str) else v
        for name, v in values.items()
    }


Writer = Callable[[Path, Numbered], None]
FORMATS: dict[str, tuple[str, Writer]] = {
    "tar": (".tar", write_tar),
    "parquet": (".parquet", write_parquet),
}
