"""Audio in WebDataset tar files: members of one key are one utterance."""

import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from audiocodec.data import stores
from audiocodec.data.lists import Entry
from audiocodec.data.stored import StoredSound
from audiocodec.errors import AudioError, DataError, one_line
from audiocodec.soundfiles.opening import AUDIO_SUFFIXES
from audiocodec.soundfiles.sources import FilePart, Source

_BLOCK = 512  # bytes; tar files consist of such
_MOST_TEXT = 1 << 20  # bytes of the text or the metadata of an utterance


@dataclass(frozen=True)
class TarMember(StoredSound):
    """A member of a tar file: `size` bytes from `offset` on."""

    tar: str
    name: str
    offset: int
    size: int

    def __str__(self) -> str:
        return f"{self.tar}/{self.name}"

    @property
    def container(self) -> str:
        return self.tar

    def read(self) -> bytes:
        with stores.store_of(self.tar) as (store, path):
            data = bytes(store.cat_file(path, self.offset, self.offset + self.size))
        if len(data) < self.size:
            raise AudioError(f"{self}: the tar file ends before it")
        return data

    def source(self) -> Source:
        if stores.is_url(self.tar):
            return super().source()
        return FilePart(stores.local_path(self.tar), self.offset, self.size, str(self))


def tar_entries(tar: str) -> Iterator[tuple[str, Entry]]:
    """The utterances of a tar file.

    The id is `id` of the key's `.json` if there is one, else the key; `.json` may also give
    `speaker` and `text`, and `.txt` the text. A damaged file ends with an entry that says so.

    Raises:
        DataError: missing, no tar file, or without audio.
    """
    found: dict[str, list[tarfile.TarInfo]] = {}
    problem = None
    with _opened(tar) as file:
        try:
            for member in _members(file):
                folder, _, name = member.name.rpartition("/")
                key = "/".join(filter(None, (folder, name.partition(".")[0])))
                found.setdefault(key.removeprefix("./"), []).append(member)
        except tarfile.TarError as error:
            problem = one_line(error)
        divided = (group for pair in found.items() for group in _divided(*pair))
        pairs = [_entry(tar, key, members, file) for key, members in divided]
    entries = [pair for pair in pairs if pair is not None]
    if not any(entry.sound for _, entry in entries):
        reason = f"damaged, or no tar file: {problem}" if problem else "no audio in it"
        raise DataError(f"{tar}: {reason}")
    yield from entries
    if problem:
        problem = f"{tar}: damaged behind {entries[-1][0]}: {problem}"
        yield f"{stores.stem(tar)}-damaged", Entry(Path(tar), problem=problem)


def _members(file: IO[bytes]) -> Iterator[tarfile.TarInfo]:
    """The regular files that are not hidden.

    Raises:
        TarError: damaged, or cut short, which tarfile does not always say.
    """
    end, size = 0, file.seek(0, 2)
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            end = member.offset_data + member.size + -member.size % _BLOCK
            if member.size < 0 or end > size:
                raise tarfile.ReadError(f"{member.name} reaches beyond the end of the file")
            if member.isreg() and not PurePosixPath(member.name).name.startswith("."):
                yield member
    file.seek(end)
    if file.read(_BLOCK) != bytes(_BLOCK):  # as every tar file ends
        raise tarfile.ReadError("it was cut short")


@contextmanager
def _opened(tar: str) -> Iterator[IO[bytes]]:
    if stores.is_url(tar):
        with stores.store_of(tar) as (store, path), store.open(path, "rb") as file:
            yield file
        return
    try:
        with open(stores.local_path(tar), "rb") as file:
            yield file
    except OSError as error:
        raise DataError(f"{tar}: cannot read: {error.strerror or error}") from None


def _entry(
    tar: str, key: str, members: list[tarfile.TarInfo], file: IO[bytes]
) -> tuple[str, Entry] | None:
    by_suffix = {PurePosixPath(member.name).suffix.lower(): member for member in members}
    sounds = [member for member in members if _is_sound(member)]
    if not sounds and ".json" not in by_suffix:
        return None
    values = _json(by_suffix.get(".json"), file)
    text = values.get("text")
    if ".txt" in by_suffix:
        text = _content(by_suffix[".txt"], file).decode("utf-8", "replace").strip()
    name = values.get("id")
    entry = Entry(
        Path(tar),
        speaker=_word(values.get("speaker")),
        text=_word(text),
        num_samples=_count(values.get("num_samples")),
        sample_rate=_count(values.get("sample_rate", values.get("sampling_rate"))),
    )
    if len(sounds) == 1 and not sounds[0].size:
        entry = entry._replace(problem=f"{tar}/{sounds[0].name}: has no bytes")
    elif len(sounds) == 1:
        sound = TarMember(tar, sounds[0].name, sounds[0].offset_data, sounds[0].size)
        entry = entry._replace(sound=sound)
    else:
        entry = entry._replace(problem=f"{tar}: {key} has {len(sounds) or 'no'} audio files")
    return name if isinstance(name, str) and name else key, entry


def _divided(
    key: str, members: list[tarfile.TarInfo]
) -> Iterator[tuple[str, list[tarfile.TarInfo]]]:
    """The members of a key, or of several if the names of other programs have dots in them."""
    if sum(map(_is_sound, members)) < 2:
        yield key, members
        return
    by_stem: dict[str, list[tarfile.TarInfo]] = {}
    for member in members:
        stem = str(PurePosixPath(member.name).with_suffix(""))
        by_stem.setdefault(stem.removeprefix("./"), []).append(member)
    yield from by_stem.items()


def _is_sound(member: tarfile.TarInfo) -> bool:
    return PurePosixPath(member.name).suffix.lower() in AUDIO_SUFFIXES


def _count(value: Any) -> int | None:
    return value if type(value) is int and value > 0 else None


def _word(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _content(member: tarfile.TarInfo, file: IO[bytes]) -> bytes:
    file.seek(member.offset_data)
    return file.read(min(member.size, _MOST_TEXT))


def _json(member: tarfile.TarInfo | None, file: IO[bytes]) -> dict[str, Any]:
    if member is None:
        return {}
    try:
        values = json.loads(_content(member, file))
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}
