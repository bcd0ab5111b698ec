"""Data directories checked against their audio: every file is opened and decoded.

Text-level validators let truncated, silent, clipped and duplicate recordings through, and speakers
that stand in two sets; those are what spoils a training or an evaluation.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from audiocodec.audio import read_audio
from audiocodec.channels import ChannelChoice
from audiocodec.data.data_dir import Utterance, write_data_dir
from audiocodec.data.faults import clipped_share, is_silent
from audiocodec.data.tables import UNKNOWN, Finding, Severity
from audiocodec.errors import AudioError, DataError
from audiocodec.extras import extra
from audiocodec.soundfiles.sources import source_name

with extra("train"):
    from joblib import Parallel, delayed

_CHUNK = 64  # files a task: sending a task costs as much as decoding a second of audio

Directories = Mapping[Path, Sequence[Utterance]]


@dataclass(frozen=True)
class Checked:
    """What one file is: its digest (decoded samples), its true length and rate, what was found.

    An unusable file has no digest.
    """

    utterance: Utterance
    digest: bytes
    num_samples: int
    sample_rate: int
    silent: bool
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Nothing but a wrong entry in a table, which `repaired` mends."""
        return bool(self.digest) and not self.silent

    @property
    def repaired(self) -> Utterance:
        """The utterance with the true length and rate."""
        utterance = self.utterance
        return replace(utterance, num_samples=self.num_samples, sample_rate=self.sample_rate)


def check_file(utterance: Utterance, folder: Path, sample_rate: int | None) -> Checked:
    """Decode one file and compare it with what the data directory `folder` says."""
    findings: list[Finding] = []

    def find(severity: Severity, problem: str, cure: str) -> None:
        findings.append(Finding(severity, str(folder), utterance.id, problem, cure))

    source = utterance.source
    try:
        waveform, info, _ = read_audio(
            source,
            start=utterance.start,
            num_samples=utterance.read_samples,
            channel="each",
        )
    except AudioError as error:
        find("error", str(error), "replace or drop the file")
        return Checked(utterance, b"", 0, 0, False, tuple(findings))
    decoded = waveform.shape[-1]
    if utterance.num_samples not in (UNKNOWN, decoded):
        where = "utt2num_samples" if utterance.sound is None else "its shard"
        found = f"has {decoded} samples, {where} says {utterance.num_samples}"
        find("error", found, "the table is old or of another file; use --fix")
    stated = utterance.sample_rate or sample_rate
    if stated is not None and info.sample_rate != stated:
        found = f"is at {info.sample_rate} Hz, {stated} expected"
        find("error", found, "write utt2sr (--fix does) or resample the file")
    silent = is_silent(waveform)
    if silent:
        find("warning", "is silent", "drop it; --fix does")
    if clipped := clipped_share(waveform):
        found = f"is clipped: {clipped:.1%} of samples at full scale"
        find("warning", found, "prefer other takes")
    mix = ChannelChoice("mix", info.num_channels, source_name(source))
    mix(waveform.T)
    if mix.fault:
        find("warning", mix.fault, "extract the channel that is wanted")
    digest = hashlib.sha256(waveform.tobytes()).digest()
    return Checked(utterance, digest, decoded, info.sample_rate, silent, tuple(findings))


def check_audio(
    directories: Directories,
    sample_rate: int | None = None,
    jobs: int = 1,
    progress: Callable[[int], object] = lambda count: None,
) -> dict[Path, list[Checked]]:
    """Open and decode every file, in `jobs` processes.

    Args:
        sample_rate: what files without an entry in utt2sr should have, in Hz.
    """
    rows = [(folder, utterance) for folder, rows in directories.items() for utterance in rows]
    chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
    tasks = (delayed(_check_files)(chunk, sample_rate) for chunk in chunks)
    checked: dict[Path, list[Checked]] = {folder: [] for folder in directories}
    results = Parallel(jobs, return_as="generator", batch_size=1)(tasks)
    for chunk, part in zip(chunks, results, strict=True):
        for (folder, _), result in zip(chunk, part, strict=True):
            checked[folder].append(result)
        progress(len(chunk))
    return checked


def _check_files(rows: Sequence[tuple[Path, Utterance]], sample_rate: int | None) -> list[Checked]:
    return [check_file(utterance, folder, sample_rate) for folder, utterance in rows]


def audio_findings(checked: Mapping[Path, Sequence[Checked]]) -> Iterator[Finding]:
    """What single files have, then files and ids that come twice, also over directories."""
    for results in checked.values():
        for result in results:
            yield from result.findings
    yield from _repeated(checked, lambda result: result.digest, "has the same audio as")
    yield from _repeated(checked, lambda result: result.utterance.id, "has the same id as")


def _repeated(
    checked: Mapping[Path, Sequence[Checked]], key: Callable[[Checked], object], problem: str
) -> Iterator[Finding]:
    first: dict[object, tuple[Path, str]] = {}
    for folder, results in checked.items():
        for result in results:
            here = (folder, result.utterance.id)
            other = first.setdefault(key(result), here)
            if key(result) and other != here:
                found = f"{problem} {other[1]} of {other[0]}"
                yield Finding("warning", str(folder), here[1], found, "keep one of them")


def speaker_leaks(directories: Directories) -> list[Finding]:
    """Speakers that are in several directories; no directory can be repaired to mend that."""
    folders_of: dict[str, set[str]] = defaultdict(set)
    for folder, utterances in directories.items():
        for utterance in utterances:
            folders_of[utterance.speaker].add(str(folder))
    problem = "the speaker is in several sets"
    cure = "split by speaker: a set that shares speakers with training measures nothing"
    return [
        Finding("error", " and ".join(sorted(folders)), speaker, problem, cure)
        for speaker, folders in sorted(folders_of.items())
        if len(folders) > 1
    ]


def repair(checked: Mapping[Path, Sequence[Checked]], output: Path) -> Directories:
    """Write `output/<folder name>` for each folder: what is usable, with true lengths and rates.

    Raises:
        DataError: an original or another copy would be overwritten, or nothing is usable.
    """
    originals = {folder.resolve() for folder in checked}
    repaired: dict[Path, list[Utterance]] = {}
    for folder, results in checked.items():
        target = output / folder.resolve().name
        if target.resolve() in originals:
            raise DataError(f"{target} is an original; give --fix another folder")
        if target in repaired:
            raise DataError(f"two folders would be repaired as {target}; repair one at a time")
        repaired[target] = [result.repaired for result in results if result.usable]
        if not repaired[target]:
            raise DataError(f"{folder}: no utterance is usable")
    for target, utterances in repaired.items():
        write_data_dir(target, utterances)
    return repaired
