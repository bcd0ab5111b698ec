"""Data directories from audio as it lies on disk: any tree of files, LibriTTS.

Headers alone are read here; `codec data validate` decodes every file.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiocodec.audio import AUDIO_SUFFIXES, audio_info
from audiocodec.data.data_dir import Utterance, unwritable_path
from audiocodec.errors import AudioError, ConfigError, DataError
from audiocodec.extras import extra
from audiocodec.walk import walk

with extra("train"):
    from joblib import Parallel, delayed

LIBRITTS_SETS = (
    "train-clean-100",
    "train-clean-360",
    "train-other-500",
    "dev-clean",
    "dev-other",
    "test-clean",
    "test-other",
)

Progress = Callable[[int], object]


@dataclass(frozen=True)
class Recording:
    """A file that should become an utterance."""

    id: str
    speaker: str
    path: Path


@dataclass(frozen=True)
class Scan:
    """The utterances that could be read, and one line for each file that could not."""

    utterances: list[Utterance]
    problems: list[str]


def find_audio(folder: Path) -> list[Path]:
    """All audio files below `folder`, sorted.

    Raises:
        DataError: `folder` is not a folder or has no audio.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; give the one that holds the audio")
    found = sorted(walk(folder, AUDIO_SUFFIXES))
    if not found:
        raise DataError(f"{folder}: no audio below it ({' '.join(AUDIO_SUFFIXES)})")
    return found


def folder_recordings(folder: Path, speaker_from: str | None = None) -> list[Recording]:
    """The audio below `folder`: an id is the path in it, a speaker its first folder.

    Args:
        speaker_from: a regular expression searched in the path inside `folder`; its first group is
            the speaker.

    Raises:
        ConfigError: `speaker_from` is not a regular expression with a group.
        DataError: no audio, or `speaker_from` does not fit a file.
    """
    pattern = _compiled(speaker_from) if speaker_from is not None else None
    counts: Counter[str] = Counter()
    recordings = []
    for path in find_audio(folder):
        inside = path.relative_to(folder)
        name = as_word("-".join(inside.with_suffix("").parts))
        counts[name] += 1  # a.wav beside a.flac, or "a b" beside "a_b"
        unique = name if counts[name] == 1 else f"{name}.{counts[name]}"
        recordings.append(Recording(unique, _speaker(inside, pattern), path.absolute()))
    return recordings


def _compiled(expression: str) -> re.Pattern[str]:
    try:
        pattern = re.compile(expression)
    except re.error as error:
        raise ConfigError(
            f"speaker-from {expression!r} is not a regular expression: {error}"
        ) from None
    if not pattern.groups:
        raise ConfigError(f"speaker-from {expression!r} has no group; write one, as in '^([^/]+)/'")
    return pattern


def _speaker(inside: Path, pattern: re.Pattern[str] | None) -> str:
    if pattern is None:  # files beside the folders have nothing that tells them apart
        return as_word(inside.parts[0]) if len(inside.parts) > 1 else "unknown"
    match = pattern.search(inside.as_posix())
    if match is None or not match[1]:
        raise DataError(f"{inside}: speaker-from {pattern.pattern!r} finds no speaker in this path")
    return as_word(match[1])


def as_word(text: str) -> str:
    """`text` as an id or a speaker."""
    return re.sub(r"\s", "_", text)  # ids end at the first blank


def libritts_recordings(corpus: Path) -> dict[str, list[Recording]]:
    """The recordings of each set of LibriTTS (or LibriTTS-R) that exists.

    Args:
        corpus: the folder with `train-clean-100` and the like, or the one that holds LibriTTS.

    Raises:
        DataError: none of the sets is there.
    """
    roots = (corpus, corpus / "LibriTTS", corpus / "LibriTTS_R")
    for root in roots:
        sets = {name: root / name for name in LIBRITTS_SETS if (root / name).is_dir()}
        if sets:
            return {name: list(_libritts_set(folder)) for name, folder in sets.items()}
    places = ", ".join(str(root) for root in roots)
    raise DataError(f"no set of LibriTTS ({LIBRITTS_SETS[0]}, ...) in any of {places}")


def _libritts_set(folder: Path) -> Iterator[Recording]:
    for path in find_audio(folder):  # <speaker>/<chapter>/<speaker>_<chapter>_<paragraph>_<n>.wav
        yield Recording(path.stem, path.relative_to(folder).parts[0], path.absolute())


def scan(
    recordings: Sequence[Recording], jobs: int = 1, progress: Progress = lambda count: None
) -> Scan:
    """Read the header of every file."""
    tasks = (delayed(_read)(recording) for recording in recordings)
    utterances, problems = [], []
    # Threads: the time goes to the disk and to libsndfile, which hold no lock.
    for result in Parallel(jobs, return_as="generator", prefer="threads")(tasks):
        if isinstance(result, str):
            problems.append(result)
        else:
            utterances.append(result)
        progress(1)
    return Scan(utterances, problems)


def _read(recording: Recording) -> Utterance | str:
    path = recording.path
    if (problem := unwritable_path(path)) is not None:
        return f"{str(path)!r}: {problem}, so it cannot stand in a wav.scp; rename the file"
    try:
        info = audio_info(path)
    except AudioError as error:
        return str(error)
    if info.num_samples < 1:
        return f"{path}: has no samples"
    return Utterance(recording.id, path, recording.speaker, info.num_samples, info.sample_rate)


def split_by_speaker(
    utterances: Sequence[Utterance], valid: float, test: float, seed: int
) -> dict[str, list[Utterance]]:
    """The sets `train`, `valid` and `test`; no speaker is in two of them.

    Args:
        valid, test: below 1 the share of the speakers (at least one), from 1 their number, 0 none.
        seed: another one draws other speakers. A new speaker hardly changes where the others are.

    Raises:
        ConfigError: a size is negative or no whole number of speakers.
        DataError: no speaker is left for training.
    """

    def rank(speaker: str) -> bytes:
        return hashlib.sha256(f"{seed} {speaker}".encode(errors="surrogateescape")).digest()

    speakers = sorted({utterance.speaker for utterance in utterances}, key=rank)
    n_valid = _num_speakers("valid", valid, len(speakers))
    n_test = _num_speakers("test", test, len(speakers))
    if n_valid + n_test >= len(speakers):
        raise DataError(
            f"{len(speakers)} speakers cannot be split into {n_valid} for valid, {n_test} for test "
            "and the rest for train; hold out fewer, or say what tells speakers apart with "
            "--speaker-from ('(.+)' takes each file as its own speaker)"
        )
    held = {"valid": speakers[:n_valid], "test": speakers[n_valid : n_valid + n_test]}
    sets = {"train": set(speakers[n_valid + n_test :])} | {k: set(v) for k, v in held.items() if v}
    return {name: [u for u in utterances if u.speaker in chosen] for name, chosen in sets.items()}


def _num_speakers(name: str, size: float, available: int) -> int:
    if size < 0 or (size >= 1 and size != int(size)):
        raise ConfigError(f"{name} is {size}; give a share below 1 or a whole number of speakers")
    if size >= 1:
        return int(size)
    return max(1, round(size * available)) if size else 0
