"""Lists of audio: lines "id path" or "id command |", or parts of these by `segments` beside."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from audiocodec.data.lines import table_lines
from audiocodec.data.segments import Segment, Span, read_segments
from audiocodec.data.stored import StoredFile, StoredSound
from audiocodec.data.stores import is_url
from audiocodec.errors import DataError


class Entry(NamedTuple):
    """What an id stands for: a file, a part of one, or what a shell command prints.

    `sound` is what is read instead of `path` if that is no local file. The rest is what the source
    says of it: who speaks, what, for how many seconds or samples at which rate, and what is wrong
    with it.
    """

    path: Path
    span: Span | None = None
    command: str | None = None
    sound: StoredSound | None = None
    speaker: str | None = None
    text: str | None = None
    seconds: float | None = None
    num_samples: int | None = None
    sample_rate: int | None = None
    problem: str | None = None

    def part(self, span: Span) -> "Entry":
        """The entry of a part of the file."""
        sound = self.sound
        if isinstance(sound, StoredFile):
            sound = StoredFile(sound.url, parts=True)
        return self._replace(span=span, sound=sound)


def read_table(path: Path) -> dict[str, str]:
    """The lines "id rest of the line" of a file, in order.

    Raises:
        DataError: the file is missing, a line has no value or an id comes twice.
    """
    table: dict[str, str] = {}
    for number, key, value in table_lines(path):
        if not value:
            raise DataError(f"{path}, line {number}: {key!r} has no value; write 'id value'")
        if key in table:
            raise DataError(f"{path}, line {number}: {key!r} comes twice; ids must be unique")
        table[key] = value
    return table


def read_entries(path: Path) -> dict[str, Entry]:
    """What the ids of a list (`*.scp`) stand for; of a `wav.scp` those of the `segments` beside it.

    Raises:
        DataError: a table is missing or malformed, or a segment is of no recording in the list.
    """
    path = Path(path)
    recordings = {key: entry_of(value) for key, value in read_table(path).items()}
    if path.name != "wav.scp" or not (path.parent / "segments").exists():
        return recordings
    segments = read_segments(path.parent / "segments")
    require_recordings(segments, recordings, path.parent / "segments")
    return {
        key: recordings[segment.recording].part(segment.span) for key, segment in segments.items()
    }


def entry_of(value: str) -> Entry:
    """What a line of a `wav.scp` gives after its id."""
    if value.endswith("|"):
        return Entry(Path(value), command=value[:-1].strip())
    if is_url(value):
        return Entry(Path(value), sound=StoredFile(value))
    return Entry(Path(value))


def require_recordings(
    segments: Mapping[str, Segment], recordings: Mapping[str, object], where: Path
) -> None:
    """Raises DataError if a segment is of no recording of the list."""
    for key, segment in segments.items():
        if segment.recording not in recordings:
            raise DataError(
                f"{where}: {key!r} is a part of {segment.recording!r}, which is not in wav.scp"
            )
