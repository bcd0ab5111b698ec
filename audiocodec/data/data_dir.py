"""Kaldi data directories: sorted text files of "id value" lines, one utterance a line."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiocodec.audio import AudioInfo, audio_info
from audiocodec.data.lines import bare
from audiocodec.data.lists import Entry, read_entries, read_table
from audiocodec.data.segments import read_segments
from audiocodec.data.stored import StoredSound
from audiocodec.errors import AudioError, DataError
from audiocodec.files import atomic_path
from audiocodec.soundfiles.sources import Source

FIX = "codec data validate DIR --fix OUT makes it"


@dataclass(frozen=True)
class Utterance:
    """One recording, or the part of one from sample `start` on that `segments` cut out.

    `num_samples` and `sample_rate` are the file's own; `recording` is the id of a part's file.
    `sound` is where the audio is if `path` is a shard, which holds that of many.
    """

    id: str
    path: Path
    speaker: str
    num_samples: int
    sample_rate: int | None = None
    start: int = 0
    recording: str | None = None
    sound: StoredSound | None = None

    @property
    def source(self) -> Source:
        """What to read the audio from."""
        return self.path if self.sound is None else self.sound.source()

    @property
    def read_samples(self) -> int | None:
        """How many samples to read from `start` on; None to the end of the file, as it is."""
        return None if self.recording is None else self.num_samples


def read_data_dir(folder: str | Path) -> list[Utterance]:
    """The utterances of a data directory, in the order of its wav.scp or segments.

    Raises:
        DataError: a table is missing, malformed or lacks an utterance, or a path is a command.
    """
    folder = Path(folder)
    entries = read_entries(folder / "wav.scp")
    speakers = _needed(folder / "utt2spk", entries)
    for key, entry in entries.items():
        if entry.command:
            raise DataError(
                f"{folder / 'wav.scp'}: {key!r} is a command ({entry.command}); write its output "
                "to a file first, or have it done with codec data validate --run-commands --fix OUT"
            )
    rates = read_table(folder / "utt2sr") if (folder / "utt2sr").exists() else {}
    if (folder / "segments").exists():
        return segment_utterances(folder, entries, speakers)
    lengths = _needed(folder / "utt2num_samples", entries)
    return [
        Utterance(
            key,
            entry.path,
            speakers[key],
            _count(lengths, key, folder / "utt2num_samples"),
            _count(rates, key, folder / "utt2sr") if key in rates else None,
        )
        for key, entry in entries.items()
    ]


def segment_utterances(
    folder: Path, entries: Mapping[str, Entry], speakers: Mapping[str, str]
) -> list[Utterance]:
    """The utterances of a data directory with `segments`; rates and lengths are the files' own.

    Raises:
        DataError: a file cannot be opened or ends before a segment of it.
    """
    recordings = {key: s.recording for key, s in read_segments(folder / "segments").items()}
    infos: dict[Path, AudioInfo] = {}
    try:
        return [
            segment_utterance(key, entry, recordings[key], speakers[key], infos)
            for key, entry in entries.items()
        ]
    except AudioError as error:
        raise DataError(f"{folder / 'segments'}: {error}") from None


def segment_utterance(
    key: str, entry: Entry, recording: str, speaker: str, infos: dict[Path, AudioInfo]
) -> Utterance:
    """One part of a recording; `infos` remembers what has been asked of files.

    Raises:
        AudioError: the file cannot be opened or ends before the part.
    """
    assert entry.span is not None
    if entry.path not in infos:
        infos[entry.path] = audio_info(entry.path)
    info = infos[entry.path]
    start, count = entry.span.samples(info, f"{entry.path} ({key})")
    return Utterance(key, entry.path, speaker, count, info.sample_rate, start, recording)


def _needed(path: Path, entries: Mapping[str, object]) -> dict[str, str]:
    """A table that must have a line for each entry."""
    if not path.exists():
        raise DataError(f"{path}: no such table; {FIX}")
    table = read_table(path)
    missing = entries.keys() - table.keys()
    if missing:
        raise DataError(f"{path}: no line for {min(missing)!r}; {FIX}")
    return table


def _count(table: dict[str, str], key: str, path: Path) -> int:
    value = table[key]
    if not value.isdecimal() or len(value) > 15:
        raise DataError(f"{path}: {key!r} has {value!r}; give a whole number")
    return int(value)


def write_data_dir(folder: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write a data directory, sorted by id.

    Raises:
        DataError: an id comes twice, or an id, speaker or path would not be read back as it is.
        CodecError: the folder cannot be written.
    """
    folder = Path(folder)
    rows = sorted(utterances, key=lambda utterance: utterance.id)
    _refuse_unwritable(rows, folder)
    by_speaker = defaultdict(list)
    for row in rows:
        by_speaker[row.speaker].append(row.id)
    files = {row.recording or row.id: row.path for row in rows}
    tables = {
        "wav.scp": [f"{key} {path}" for key, path in sorted(files.items())],
        "segments": [_segment_line(row) for row in rows if row.recording],
        "utt2spk": [f"{row.id} {row.speaker}" for row in rows],
        "spk2utt": [f"{speaker} {' '.join(ids)}" for speaker, ids in sorted(by_speaker.items())],
        "utt2num_samples": [f"{row.id} {row.num_samples}" for row in rows],
        "utt2sr": [f"{row.id} {row.sample_rate}" for row in rows if row.sample_rate],
    }
    for name, lines in tables.items():
        if name == "segments" and not lines:
            (folder / name).unlink(missing_ok=True)  # of what stood here before
            continue
        with atomic_path(folder / name) as temporary:
            text = "".join(line + "\n" for line in lines)
            temporary.write_bytes(text.encode("utf-8", "surrogateescape"))


def _segment_line(row: Utterance) -> str:
    assert row.sample_rate is not None, "the rate of a segment's file is known"
    begin, end = row.start / row.sample_rate, (row.start + row.num_samples) / row.sample_rate
    return f"{row.id} {row.recording} {begin:.7f} {end:.7f}"


def _refuse_unwritable(rows: Sequence[Utterance], folder: Path) -> None:
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        if after is not None and row.id == after.id:
            raise DataError(f"{folder}: the id {row.id!r} comes twice ({row.path}, {after.path})")
        for word in (row.id, row.speaker, *([row.recording] if row.recording else [])):
            if not word or re.search(r"\s", word) or bare(word) != word:
                raise DataError(f"{folder}: {word!r} ({row.path}): ids and speakers have no blanks")
        if (problem := unwritable_path(row.path)) is not None:
            raise DataError(f"{folder}: the path {str(row.path)!r} {problem}; rename the file")


def unwritable_path(path: Path) -> str | None:
    """Why a path could not be read back from a wav.scp, or None if it could."""
    text = str(path)
    if re.search(r"[\n\r\0]", text):
        return "has a line break"
    if bare(text) != text:
        return "begins or ends with a blank"
    return "ends like a command" if text.endswith("|") else None
