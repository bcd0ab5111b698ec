"""The text of a data directory, checked: a mistake is reported, and reading continues."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audiocodec.audio import AudioInfo
from audiocodec.data.commands import write_output
from audiocodec.data.data_dir import Utterance, segment_utterance
from audiocodec.data.lines import table_lines
from audiocodec.data.lists import Entry, entry_of
from audiocodec.data.segments import Segment, parse_segment
from audiocodec.errors import AudioError

UNKNOWN = -1  # the number of samples where utt2num_samples has none

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Finding:
    """One thing wrong with a data directory: what it is and what to do."""

    severity: Severity
    folder: str
    id: str
    problem: str
    cure: str


class _Tables:
    """Reads the tables of one folder and collects what is wrong with them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.findings: list[Finding] = []

    def find(self, severity: Severity, key: str, problem: str, cure: str) -> None:
        self.findings.append(Finding(severity, str(self.folder), key, problem, cure))

    def read(self, name: str) -> dict[str, str]:
        """A table; of an id that comes twice the first line counts."""
        table: dict[str, str] = {}
        for number, key, value in table_lines(self.folder / name):
            if not value:
                self.find("error", key, f"has no value in {name}, line {number}", "write one")
            elif key in table:
                self.find(
                    "error",
                    key,
                    f"comes twice in {name}, line {number}",
                    "ids must be unique; --fix keeps the first",
                )
            else:
                table[key] = value
        return table

    def counts(self, name: str) -> dict[str, int]:
        """A table of whole numbers."""
        counts = {}
        for key, value in self.read(name).items():
            if value.isdecimal() and len(value) <= 15:
                counts[key] = int(value)
            else:
                found = f"has {value!r} in {name}, no whole number"
                self.find("error", key, found, "--fix writes the true one")
        return counts


def check_tables(
    folder: Path, commands_to: Path | None = None
) -> tuple[list[Utterance], list[Finding]]:
    """The utterances of a data directory that have a file and a speaker, and all findings.

    Args:
        commands_to: where to write what the commands of its list print, as audio files; without
            it commands are errors and are not run.

    Raises:
        DataError: wav.scp is missing or a table is no text, so that there is nothing to check.
    """
    tables = _Tables(folder)
    entries = {key: entry_of(value) for key, value in tables.read("wav.scp").items()}
    segments = _segments(tables, entries)
    ids = entries.keys() if segments is None else segments.keys()
    speakers = _speakers(tables, ids)
    lengths = _lengths(tables, ids) if segments is None else {}
    rates = tables.counts("utt2sr") if (folder / "utt2sr").exists() else {}
    for name, table in (("utt2spk", speakers), ("utt2num_samples", lengths), ("utt2sr", rates)):
        for key in table.keys() - ids - entries.keys():
            found = f"is in {name} but not in {'wav.scp' if segments is None else 'segments'}"
            tables.find("warning", key, found, "--fix drops the line")
    _check_spk2utt(tables, speakers)
    paths = _paths(tables, entries, commands_to)
    if segments is not None:
        utterances = list(_parts(tables, segments, paths, speakers))
    else:
        utterances = [
            Utterance(key, path, speakers[key], lengths.get(key, UNKNOWN), rates.get(key))
            for key, path in paths.items()
            if key in speakers
        ]
    return utterances, sorted(tables.findings, key=lambda finding: finding.id)


def _segments(tables: _Tables, entries: Mapping[str, Entry]) -> dict[str, Segment] | None:
    """The parts of recordings that `segments` names; None if there is no such file."""
    if not (tables.folder / "segments").exists():
        return None
    segments = {}
    for key, text in tables.read("segments").items():
        try:
            segment = parse_segment(text)
        except ValueError as error:
            tables.find("error", key, f"{error} in segments", "mend the line; --fix drops it")
            continue
        if segment.recording in entries:
            segments[key] = segment
        else:
            found = f"is a part of {segment.recording!r}, which is not in wav.scp"
            tables.find("error", key, found, "add the recording; --fix drops the line")
    return segments


def _speakers(tables: _Tables, ids: Set[str]) -> dict[str, str]:
    if not (tables.folder / "utt2spk").exists():
        found = "is missing; nothing says who speaks"
        tables.find("error", "utt2spk", found, "--fix makes each utterance its own speaker")
        return {key: key for key in ids}
    speakers = tables.read("utt2spk")
    for key in ids - speakers.keys():
        tables.find("error", key, "has no speaker in utt2spk", "add the line; --fix drops it")
    return speakers


def _lengths(tables: _Tables, ids: Set[str]) -> dict[str, int]:
    if not (tables.folder / "utt2num_samples").exists():
        tables.find("error", "utt2num_samples", "is missing", "--fix makes it from the audio")
        return {}
    lengths = tables.counts("utt2num_samples")
    told = {finding.id for finding in tables.findings}
    for key in ids - lengths.keys() - told:
        tables.find("error", key, "is not in utt2num_samples", "--fix writes the true number")
    return lengths


def _paths(
    tables: _Tables, entries: Mapping[str, Entry], commands_to: Path | None
) -> dict[str, Path]:
    """The files of a list, those of commands included if these are to be run."""
    paths = {}
    for key, entry in entries.items():
        if entry.command is None:
            paths[key] = entry.path
        elif commands_to is None:
            found = f"is a command, which is not run ({entry.command})"
            cure = "if you trust the list, write its output to files with --run-commands --fix OUT"
            tables.find("error", key, found, cure)
        else:
            try:
                paths[key] = write_output(entry.command, commands_to / key.replace("/", "-"))
            except AudioError as error:
                tables.find("error", key, str(error), "mend the command; --fix drops the line")
    return paths


def _parts(
    tables: _Tables,
    segments: Mapping[str, Segment],
    paths: Mapping[str, Path],
    speakers: Mapping[str, str],
) -> Iterator[Utterance]:
    infos: dict[Path, AudioInfo] = {}
    for key, (recording, span) in segments.items():
        if key not in speakers or recording not in paths:
            continue  # which has been said
        try:
            entry = Entry(paths[recording], span)
            yield segment_utterance(key, entry, recording, speakers[key], infos)
        except AudioError as error:
            tables.find("error", key, str(error), "mend segments; --fix drops the line")


def _check_spk2utt(tables: _Tables, speakers: dict[str, str]) -> None:
    if not (tables.folder / "spk2utt").exists():
        return  # nothing here reads it
    expected: dict[str, set[str]] = defaultdict(set)
    for key, speaker in speakers.items():
        expected[speaker].add(key)
    stated = {speaker: set(ids.split()) for speaker, ids in tables.read("spk2utt").items()}
    for speaker in expected.keys() | stated.keys():
        if expected.get(speaker) != stated.get(speaker):
            found = "has other utterances in spk2utt than in utt2spk"
            tables.find("error", speaker, found, "--fix writes spk2utt anew")
