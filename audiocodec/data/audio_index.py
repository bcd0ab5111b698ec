"""Where the utterances of audio shards are: found once, kept in a file, in memory as arrays.

So a corpus of tar and Parquet files is read at random without being unpacked, and an utterance
takes some 50 bytes of memory beside its id.
"""

import hashlib
import logging
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from filelock import FileLock
from tqdm import tqdm

from audiocodec.audio import audio_info
from audiocodec.data.data_dir import Utterance
from audiocodec.data.sources.kinds import source_entries
from audiocodec.data.sources.tables import ParquetRow
from audiocodec.data.sources.tar import TarMember
from audiocodec.data.stored import StoredSound
from audiocodec.data.utterances import Columns, UtteranceTable
from audiocodec.errors import AudioError, DataError
from audiocodec.extras import extra
from audiocodec.files import atomic_path, library_writes

with extra("train"):
    from joblib import Parallel, delayed

log = logging.getLogger(__name__)

UNKNOWN_SPEAKER = "unknown"
_FORMAT = 1  # of the file; another one is made anew


@dataclass
class _Scan:
    """What one shard holds: lists with an element an utterance, and lines about what is bad."""

    column: str = ""  # with the audio, of a Parquet file
    ids: list[str] = field(default_factory=list)
    speakers: list[str] = field(default_factory=list)
    num_samples: list[int] = field(default_factory=list)
    sample_rates: list[int] = field(default_factory=list)
    places: list[tuple[int, int]] = field(default_factory=list)  # see `AudioIndex._sound`
    problems: list[tuple[str, str]] = field(default_factory=list)  # ids, and what is wrong


class AudioIndex(UtteranceTable):
    """The utterances of audio shards, in the order of the shards. `problems` are ids of bad ones,
    which are left out, and what is wrong with them.
    """

    def __init__(self, folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
        self._folder, self._arrays = folder, dict(arrays)
        self._ids = arrays["ids"].tobytes()
        self.problems = [(str(name), str(text)) for name, text in arrays["problems"]]

    def __len__(self) -> int:
        return len(self._arrays["num_samples"])

    def columns(self) -> Columns:
        names = ("num_samples", "sample_rate", "speaker")
        return Columns(*(self._arrays[name].astype(np.int64) for name in names))

    def row(self, index: int) -> Utterance:
        arrays = self._arrays
        start = int(arrays["id_ends"][index - 1]) if index else 0
        name = self._ids[start : int(arrays["id_ends"][index])].decode("utf-8", "surrogateescape")
        sound = self._sound(index, name)
        return Utterance(
            name,
            Path(sound.container or ""),
            str(arrays["speakers"][arrays["speaker"][index]]),
            int(arrays["num_samples"][index]),
            int(arrays["sample_rate"][index]),
            sound=sound,
        )

    def _sound(self, index: int, name: str) -> StoredSound:
        """By two numbers: offset and size in a tar file, row group and row in a Parquet file."""
        shard = int(self._arrays["shard"][index])
        path = str(self._folder / str(self._arrays["shards"][shard]))
        first, second = (int(number) for number in self._arrays["places"][index])
        if column := str(self._arrays["columns"][shard]):
            return ParquetRow(path, column, first, second, name)
        return TarMember(path, name, first, second)


def audio_index(shards: Sequence[Path], cache: Path | None = None, jobs: int = 1) -> AudioIndex:
    """The utterances of audio shards.

    What was found is kept in a hidden file beside the shards, or in `cache` if nothing can be
    written there, until a shard changes. Of processes that start together one looks through them.

    Args:
        cache: a folder; None to keep nothing.
        jobs: processes that look through shards.

    Raises:
        DataError: nothing to train on in any of them.
    """
    folder = Path(os.path.commonpath([path.absolute().parent for path in shards]))
    names = [os.path.relpath(path.absolute(), folder) for path in shards]
    if cache is None:
        return _checked(AudioIndex(folder, _scan_all(shards, names, jobs)), shards)
    name = f".audio-index-{_key(shards, names)}.npz"
    kept = [place / name for place in (folder, cache)]
    index = _load(kept, folder)
    if index is None:
        path = kept[0] if os.access(folder, os.W_OK) else kept[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{path}.lock")
        with lock:
            index = _load(kept, folder)
            if index is None:
                arrays = _scan_all(shards, names, jobs)
                with atomic_path(path) as temporary, library_writes():
                    np.savez(temporary, allow_pickle=False, **arrays)
                index = AudioIndex(folder, arrays)
            # Whoever has waited for the lock finds the index.
            Path(lock.lock_file).unlink(missing_ok=True)
    return _checked(index, shards)


def _key(shards: Sequence[Path], names: Sequence[str]) -> str:
    """Changes with the names, sizes and times of the shards, wherever they are."""
    lines = []
    for path, name in zip(shards, names, strict=True):
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f"{path}: cannot read: {error.strerror}") from None
        lines.append(f"{name}\t{status.st_size}\t{status.st_mtime_ns}\n")
    text = f"{_FORMAT}\n{''.join(lines)}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _load(kept: Sequence[Path], folder: Path) -> AudioIndex | None:
    for path in kept:
        try:
            with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
                return AudioIndex(folder, arrays)
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
            log.warning("%s: damaged (%s); the shards are looked through anew", path, error)
    return None


def _checked(index: AudioIndex, shards: Sequence[Path]) -> AudioIndex:
    if not len(index):
        reason = index.problems[0][1] if index.problems else "no audio"
        raise DataError(f"{shards[0]} and {len(shards) - 1} more: nothing to train on; {reason}")
    return index


def _scan_all(shards: Sequence[Path], names: Sequence[str], jobs: int) -> dict[str, np.ndarray]:
    workers = Parallel(min(jobs, len(shards)), return_as="generator")
    found = workers(delayed(scan_shard)(path) for path in shards)
    quiet = not sys.stderr.isatty()
    scans = list(tqdm(found, total=len(shards), unit="shard", leave=False, disable=quiet))
    encoded = [name.encode("utf-8", "surrogateescape") for scan in scans for name in scan.ids]
    speakers: dict[str, int] = {}
    numbers = [speakers.setdefault(s, len(speakers)) for scan in scans for s in scan.speakers]
    places = [place for scan in scans for place in scan.places]
    return {
        "shards": np.array(names),
        "columns": np.array([scan.column for scan in scans]),
        "ids": np.frombuffer(b"".join(encoded), dtype=np.uint8),
        "id_ends": np.cumsum([len(name) for name in encoded], dtype=np.int64),
        "speakers": np.array([*speakers], dtype=str),
        "speaker": np.array(numbers, dtype=np.int32),
        "num_samples": np.array([n for scan in scans for n in scan.num_samples], dtype=np.int64),
        "sample_rate": np.array([n for scan in scans for n in scan.sample_rates], dtype=np.int32),
        "shard": np.repeat(np.arange(len(scans), dtype=np.int32), [len(s.ids) for s in scans]),
        "places": np.array(places, dtype=np.int64).reshape(-1, 2),
        "problems": np.array([p for scan in scans for p in scan.problems], dtype=str).reshape(
            -1, 2
        ),
    }


def scan_shard(path: Path) -> _Scan:
    """The utterances of one shard; audio is opened only where nothing says how long it is."""
    scan = _Scan()
    try:
        for name, entry in source_entries(str(path), ()):
            problem = entry.problem
            if problem is None and isinstance(entry.sound, TarMember | ParquetRow):
                length, rate = entry.num_samples, entry.sample_rate
                try:
                    if not (length and rate):
                        info = audio_info(entry.sound.source())
                        length, rate = info.num_samples, info.sample_rate
                except AudioError as error:
                    problem = str(error)
                else:
                    _add(scan, name, entry.speaker or UNKNOWN_SPEAKER, length, rate, entry.sound)
            if problem is not None:
                scan.problems.append((name, problem))
    except DataError as error:
        scan.problems.append((path.name, str(error)))
    return scan


def _add(
    scan: _Scan, name: str, speaker: str, length: int, rate: int, sound: TarMember | ParquetRow
) -> None:
    scan.ids.append(name)
    scan.speakers.append(speaker)
    scan.num_samples.append(length)
    scan.sample_rates.append(rate)
    if isinstance(sound, TarMember):
        scan.places.append((sound.offset, sound.size))
    else:
        scan.column = sound.column
        scan.places.append((sound.piece, sound.row))
