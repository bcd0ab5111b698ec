"""The text of a data directory, checked: a mistake is reported, and reading goes on after it."""

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from audiocodec.data.data_dir import Utterance, table_lines

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
            if value.strip().isdecimal():
                counts[key] = int(value)
            else:
                found = f"has {value!r} in {name}, no whole number"
                self.find("error", key, found, "--fix writes the true one")
        return counts


def check_tables(folder: Path) -> tuple[list[Utterance], list[Finding]]:
    """The utterances of a data directory that have a file and a speaker, and all findings.

    Raises:
        DataError: a table is missing or no text, so that there is nothing to check.
    """
    tables = _Tables(folder)
    paths, speakers = tables.read("wav.scp"), tables.read("utt2spk")
    lengths = tables.counts("utt2num_samples")
    rates = tables.counts("utt2sr") if (folder / "utt2sr").exists() else {}
    for key in paths.keys() - speakers.keys():
        tables.find("error", key, "has no speaker in utt2spk", "add the line; --fix drops it")
    told = {finding.id for finding in tables.findings}
    for key in paths.keys() - lengths.keys() - told:
        tables.find("error", key, "is not in utt2num_samples", "--fix writes the true number")
    for name, table in (("utt2spk", speakers), ("utt2num_samples", lengths), ("utt2sr", rates)):
        for key in table.keys() - paths.keys():
            tables.find("warning", key, f"is in {name} but not in wav.scp", "--fix drops the line")
    _check_spk2utt(tables, speakers)
    utterances = [
        Utterance(key, Path(path), speakers[key], lengths.get(key, UNKNOWN), rates.get(key))
        for key, path in paths.items()
        if key in speakers
    ]
    return utterances, sorted(tables.findings, key=lambda finding: finding.id)


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
