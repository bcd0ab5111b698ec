"""Data directories checked against their audio: every file is opened and decoded.

Text-level validators let truncated, silent, clipped and duplicate recordings through, and speakers
that stand in two sets; those are what spoils a training or an evaluation.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from joblib import Parallel, delayed

from audiocodec.audio import audio_info, read_waveform
from audiocodec.data.data_dir import Utterance, read_data_dir, write_data_dir
from audiocodec.errors import AudioError

CLIPPED_SHARE = 1e-3  # of samples at full scale; a codec would learn the flat tops
SILENT_PEAK = 1e-3  # -60 dBFS

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One trouble: what it is and what to do."""

    severity: Severity
    folder: str
    id: str
    problem: str
    cure: str


@dataclass(frozen=True)
class Checked:
    """What one file is: its digest (decoded samples), its true length and rate, its troubles."""

    utterance: Utterance
    digest: str
    num_samples: int
    sample_rate: int
    troubles: tuple[tuple[Severity, str, str], ...]

    @property
    def usable(self) -> bool:
        """Nothing but a wrong entry in a table, which `repaired` mends."""
        return bool(self.digest) and not any("silent" in problem for _, problem, _ in self.troubles)

    @property
    def repaired(self) -> Utterance:
        """The utterance with the true length and rate."""
        utterance = self.utterance
        return replace(utterance, num_samples=self.num_samples, sample_rate=self.sample_rate)


def check_file(utterance: Utterance, sample_rate: int | None) -> Checked:
    """Decode one file and compare it with what the data directory says."""
    try:
        info = audio_info(utterance.path)
        waveform = read_waveform(utterance.path, mono=False)
    except AudioError as error:
        trouble: tuple[Severity, str, str] = ("error", str(error), "replace or drop the file")
        return Checked(utterance, "", 0, 0, (trouble,))
    decoded = waveform.shape[-1]
    troubles: list[tuple[Severity, str, str]] = []
    if utterance.num_samples not in (decoded, info.num_samples):
        found = f"has {decoded} samples, utt2num_samples says {utterance.num_samples}"
        troubles.append(("error", found, "the file is truncated or the table is old; use --fix"))
    stated = utterance.sample_rate or sample_rate
    if stated is not None and info.sample_rate != stated:
        found = f"is at {info.sample_rate} Hz, {stated} expected"
        troubles.append(("error", found, "write utt2sr (--fix does) or resample the file"))
    troubles += _level_troubles(waveform)
    digest = hashlib.sha256(waveform.tobytes()).hexdigest()
    return Checked(utterance, digest, decoded, info.sample_rate, tuple(troubles))


def _level_troubles(waveform: np.ndarray) -> Iterator[tuple[Severity, str, str]]:
    magnitude = np.abs(waveform)
    if magnitude.max() < SILENT_PEAK:
        yield "warning", "is silent", "drop it; --fix does"
    share = float((magnitude >= 0.999).mean())
    if share > CLIPPED_SHARE:
        yield "warning", f"is clipped: {share:.1%} of samples at full scale", "prefer other takes"


def validate(
    folders: Sequence[Path],
    sample_rate: int | None = None,
    jobs: int = 1,
    progress: Callable[[int], object] = lambda count: None,
) -> tuple[list[Finding], dict[Path, list[Checked]]]:
    """Check data directories and, when several are given, that they are disjoint.

    Args:
        sample_rate: what files without an entry in utt2sr should have, in Hz.

    Raises:
        DataError: a directory contradicts itself, so that there is nothing to check audio against.
    """
    rows = [(folder, utterance) for folder in folders for utterance in read_data_dir(folder)]
    tasks = (delayed(check_file)(utterance, sample_rate) for _, utterance in rows)
    work = Parallel(jobs, return_as="generator", batch_size="auto")(tasks)
    checked: dict[Path, list[Checked]] = {folder: [] for folder in folders}
    findings = []
    for (folder, utterance), result in zip(rows, work, strict=True):
        checked[folder].append(result)
        findings += [Finding(s, str(folder), utterance.id, p, c) for s, p, c in result.troubles]
        progress(1)
    return findings + _duplicates(checked) + _leaks(checked), checked


def _duplicates(checked: dict[Path, list[Checked]]) -> list[Finding]:
    first: dict[str, str] = {}
    findings = []
    for folder, results in checked.items():
        for result in results:
            here = f"{folder}: {result.utterance.id}"
            other = first.setdefault(result.digest, here)
            if result.digest and other != here:
                problem = f"has the same audio as {other}"
                findings.append(
                    Finding(
                        "warning", str(folder), result.utterance.id, problem, "keep one of them"
                    )
                )
    return findings


def _leaks(checked: dict[Path, list[Checked]]) -> list[Finding]:
    folders_of: dict[str, set[str]] = defaultdict(set)
    for folder, results in checked.items():
        for result in results:
            folders_of[result.utterance.speaker].add(str(folder))
    return [
        Finding(
            "error",
            " and ".join(sorted(folders)),
            speaker,
            "the speaker is in several sets",
            "split by speaker: a set that shares speakers with training measures nothing",
        )
        for speaker, folders in sorted(folders_of.items())
        if len(folders) > 1
    ]


def write_repaired(checked: Sequence[Checked], folder: Path) -> int:
    """Write the usable utterances, with true lengths and rates, as a new data directory."""
    repaired = [result.repaired for result in checked if result.usable]
    write_data_dir(folder, repaired)
    return len(repaired)
