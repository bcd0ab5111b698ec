"""Pairs of reference and degraded files, matched by utterance id, never by sorted position."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.data.data_dir import read_table
from audiocodec.errors import DataError


@dataclass(frozen=True)
class PairOfFiles:
    """One utterance of both sides; `problem` is why it cannot be scored, "" if it can."""

    id: str
    reference: Path | None
    degraded: Path | None
    speaker: str
    problem: str = ""


@dataclass(frozen=True)
class _Side:
    paths: dict[str, Path]
    duplicates: frozenset[str]
    speakers: dict[str, str]


def pair_files(reference: str | Path, degraded: str | Path) -> list[PairOfFiles]:
    """All utterances of the reference side, with their degraded files, sorted by id.

    Each side is a folder of audio (the id is the path below it without its suffix), a data
    directory, a `wav.scp` or one file. Utterances that only the degraded side has, and ids that
    come twice, are pairs with a problem.

    Raises:
        DataError: a side does not exist or has no audio.
    """
    sides = [_read_side(Path(side)) for side in (reference, degraded)]
    if all(Path(side).is_file() and Path(side).suffix != ".scp" for side in (reference, degraded)):
        sides[1] = _Side({next(iter(sides[0].paths)): Path(degraded)}, frozenset(), {})
    ids = sorted(sides[0].paths.keys() | sides[1].paths.keys())
    return [_pair(identifier, sides[0], sides[1]) for identifier in ids]


def _pair(identifier: str, reference: _Side, degraded: _Side) -> PairOfFiles:
    problem = ""
    if identifier in reference.duplicates | degraded.duplicates:
        problem = "duplicate id"
    elif identifier not in reference.paths:
        problem = "no reference"
    elif identifier not in degraded.paths:
        problem = "no degraded file"
    return PairOfFiles(
        identifier,
        reference.paths.get(identifier),
        degraded.paths.get(identifier),
        reference.speakers.get(identifier, identifier),
        problem,
    )


def _read_side(path: Path) -> _Side:
    if path.is_dir() and (path / "wav.scp").is_file():
        speakers = read_table(path / "utt2spk") if (path / "utt2spk").is_file() else {}
        return _Side(_scp(path / "wav.scp"), frozenset(), speakers)
    if path.is_dir():
        return _folder(path)
    if path.suffix == ".scp":
        return _Side(_scp(path), frozenset(), {})
    if path.is_file():
        return _Side({path.stem: path}, frozenset(), {})
    raise DataError(f"{path}: no such folder, list or audio file")


def _scp(path: Path) -> dict[str, Path]:
    return {key: Path(value) for key, value in read_table(path).items()}


def _folder(folder: Path) -> _Side:
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
    if not files:
        raise DataError(f"{folder}: no {' '.join(AUDIO_SUFFIXES)} file there")
    named = [(path.relative_to(folder).with_suffix("").as_posix(), path) for path in files]
    counts = Counter(identifier for identifier, _ in named)
    duplicates = frozenset(identifier for identifier, count in counts.items() if count > 1)
    return _Side(dict(named), duplicates, {})
