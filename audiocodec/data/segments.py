"""Kaldi's `segments`: utterances that are parts of recordings, by times in seconds."""

import math
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from audiocodec.audio import Audio, AudioInfo, audio_info, read_audio
from audiocodec.channels import Channel
from audiocodec.data.lines import table_lines
from audiocodec.errors import AudioError, DataError
from audiocodec.soundfiles.sources import Source, source_name

_OVERSHOOT = 0.5  # seconds that a segment may end after its recording, by rounding, as in Kaldi


class Span(NamedTuple):
    """From `begin` to `end` seconds of a file; `end` None is the file's end."""

    begin: float
    end: float | None

    def samples(self, info: AudioInfo, where: str) -> tuple[int, int]:
        """The first sample and the number of samples of this span of a file.

        Raises:
            AudioError: the file (`where` in messages) ends before the span.
        """
        start = round(self.begin * info.sample_rate)
        stop = info.num_samples if self.end is None else round(self.end * info.sample_rate)
        late = stop - info.num_samples > _OVERSHOOT * info.sample_rate
        stop = min(stop, info.num_samples)
        if start >= stop or late:
            seconds = info.num_samples / info.sample_rate
            raise AudioError(
                f"{where}: has {seconds:g} s, but its segment is {self}; mend segments"
            )
        return start, stop - start

    def __str__(self) -> str:
        return f"{self.begin:g} to {'the end' if self.end is None else f'{self.end:g} s'}"


class Segment(NamedTuple):
    """A line of `segments`."""

    recording: str  # id in wav.scp
    span: Span


def parse_segment(text: str) -> Segment:
    """The rest of a line of `segments`: recording, begin and end; an end of -1 is the file's.

    Raises:
        ValueError: another number of fields, or times that cannot be.
    """
    fields = text.split()
    if len(fields) != 3:
        raise ValueError(f"has {len(fields)} fields after its id; write 'recording begin end'")
    try:
        begin, end = float(fields[1]), float(fields[2])
    except ValueError:
        begin = end = math.nan
    open_end = end == -1
    if not (0 <= begin < math.inf and (open_end or begin < end < math.inf)):
        raise ValueError(f"is from {fields[1]} to {fields[2]}; give seconds, begin before end")
    return Segment(fields[0], Span(begin, None if open_end else end))


def read_segments(path: Path) -> dict[str, Segment]:
    """The utterances of a `segments` file.

    Raises:
        DataError: unreadable, a line that is not a segment, or an id that comes twice.
    """
    segments: dict[str, Segment] = {}
    for number, key, text in table_lines(path):
        if key in segments:
            raise DataError(f"{path}, line {number}: {key!r} comes twice; ids must be unique")
        try:
            segments[key] = parse_segment(text)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: {key!r} {error}") from None
    return segments


def read_span(
    source: Source,
    span: Span,
    sample_rate: int | None = None,
    channel: Channel = "mix",
    allow_truncated: bool = False,
) -> Audio:
    """`read_audio` of a part of a file; its `info` is that of a file of the part.

    Raises:
        AudioError: as `read_audio`, or the file ends before the part.
    """
    info = audio_info(source, allow_truncated=allow_truncated)
    start, count = span.samples(info, source_name(source))
    audio = read_audio(
        source,
        sample_rate,
        start=start,
        num_samples=count,
        channel=channel,
        allow_truncated=allow_truncated,
    )
    return audio._replace(info=replace(info, num_samples=count))
