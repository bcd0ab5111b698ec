"""What `--train-data` and its like stand for: data directories and audio shards."""

import glob
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from audiocodec.data.audio_index import audio_index
from audiocodec.data.data_dir import Utterance, read_data_dir
from audiocodec.data.lines import text_lines
from audiocodec.data.tables import Finding
from audiocodec.data.utterances import Joined
from audiocodec.errors import DataError

AUDIO_SHARDS = (".tar", ".parquet")


class TrainingData(NamedTuple):
    """Utterances in the order of what was given, and a line about each one that is left out."""

    utterances: Sequence[Utterance]
    problems: list[str]


def read_training_data(
    given: Sequence[Path], cache: Path | None = None, jobs: int = 1
) -> TrainingData:
    """The utterances of data directories and audio shards.

    Args:
        given: data directories; folders of shards, shards, patterns of their names, or text files
            that list them, a path a line.
        cache: a folder for what was found in shards, where it cannot be kept beside them.
        jobs: processes that look through shards.

    Raises:
        DataError: neither of these, or without utterances.
    """
    parts: list[Sequence[Utterance]] = []
    problems: list[str] = []
    found = [(None, path) if is_data_dir(path) else (audio_shards(path), path) for path in given]
    for is_shards, group in groupby(found, key=lambda pair: pair[0] is not None):
        if is_shards:  # shards that follow one another have one index
            index = audio_index(
                [shard for shards, _ in group for shard in shards or ()], cache, jobs
            )
            parts.append(index)
            problems += [f"{name}: {problem}" for name, problem in index.problems]
        else:
            parts += [read_data_dir(path) for _, path in group]
    if any(not isinstance(part, list) for part in parts):
        return TrainingData(parts[0] if len(parts) == 1 else Joined(parts), problems)
    return TrainingData([utterance for part in parts for utterance in part], problems)


def check_shards(given: Path, jobs: int = 1) -> tuple[Sequence[Utterance], list[Finding]]:
    """The utterances of audio shards, and what is wrong with others of them, as `check_tables`.

    Raises:
        DataError: no shards.
    """
    index = audio_index(audio_shards(given), jobs=jobs)
    cure = "replace it; training leaves it out"
    return index, [
        Finding("error", str(given), name, problem, cure) for name, problem in index.problems
    ]


def is_data_dir(path: Path) -> bool:
    """Whether a path is a data directory, or at least no shards."""
    return (path / "wav.scp").exists() or (path.is_dir() and not _shards_below(path))


def audio_shards(given: Path) -> list[Path]:
    """The shards that a folder, a file, a pattern or a text file of paths stands for, sorted by
    name but in a text file, whose order counts.

    Raises:
        DataError: there are none.
    """
    if given.is_dir():
        return _shards_below(given)
    if given.suffix.lower() in AUDIO_SHARDS and given.is_file():
        return [given]
    if given.is_file():
        shards = [Path(line) for _, line in text_lines(given)]
    else:
        shards = [Path(name) for name in sorted(glob.glob(str(given), recursive=True))]
    others = [path for path in shards if path.suffix.lower() not in AUDIO_SHARDS]
    missing = [path for path in shards if not path.is_file()]
    if not shards or others or missing:
        wrong = [*others, *missing]
        found = f"{wrong[0]} in it is none" if wrong else "there are none"
        raise DataError(
            f"{given}: give a data directory or audio shards ({' '.join(AUDIO_SHARDS)}): a folder, "
            f"a pattern, or a text file of their paths; {found}"
        )
    return shards


def _shards_below(folder: Path) -> list[Path]:
    found = (path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SHARDS)
    return sorted(path for path in found if not path.name.startswith("."))
