"""One run as several jobs: each does its part of the inputs, and together they do what one would.

Parts follow one another in the order of the inputs and last about equally long. Each job finds its
own from the inputs alone, so jobs need not know of one another.
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from audiocodec.data.lists import read_table
from audiocodec.errors import ConfigError, DataError
from audiocodec.files import atomic_path
from audiocodec.pipeline.batch import names_of_manifest, write_list
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.paths import Item, Plan, list_of
from audiocodec.soundfiles.opening import stated_seconds

_BYTES_A_SECOND = 16_000  # of a file whose header does not tell its length: 128 kbit/s
_UNKNOWN_SECONDS = 10.0  # of what a command will print, and of what is no local file


@dataclass(frozen=True)
class Part:
    """Part `number` (from 1) of `of`."""

    number: int
    of: int

    def manifest(self, path: Path) -> Path:
        """Where this part writes its rows of the manifest `path`."""
        return path.with_name(f"{path.stem}.part-{self.number}-of-{self.of}{path.suffix}")


def part_of(options: EncodeOptions) -> Part | None:
    """The part that the options ask for; None for the whole.

    Raises:
        ConfigError: only one of the two numbers, or no such part.
    """
    if options.part is None and options.of is None:
        return None
    if options.part is None or options.of is None:
        raise ConfigError("--part and --of go together: --part 2 --of 8 is the second of eight")
    if not 1 <= options.part <= options.of:
        raise ConfigError(f"--part is {options.part}; give 1 to {options.of}, as --of says")
    return Part(options.part, options.of)


def cut(seconds: Sequence[float], part: Part) -> range:
    """The indices of a part: of the things whose middle lies in its share of the whole duration.

    All parts together have every index once, in order. None is longer than its share by more than
    the longest thing.
    """
    # In whole numbers, which add up alike on every machine.
    weights = [round(1000 * value) for value in seconds]
    if not any(weights):
        weights = [1] * len(weights)
    total = sum(weights)
    places = [
        min((2 * end - weight) * part.of // (2 * total), part.of - 1)
        for end, weight in zip(accumulate(weights), weights, strict=True)
    ]
    start = sum(place < part.number - 1 for place in places)
    return range(start, sum(place < part.number for place in places))


def durations(inputs: Sequence[str], items: Sequence[Item]) -> list[float]:
    """Seconds of each item, or a guess, without decoding: from the tables of its data directory,
    its segment, its header, or its size.
    """
    stated: dict[str, float] = {}
    for given in inputs:
        stated |= _stated(list_of(given))
    return [_seconds(item, stated) for item in items]


def _stated(listed: Path | None) -> dict[str, float]:
    """What the tables beside a wav.scp say of its utterances."""
    if listed is None or listed.name != "wav.scp":
        return {}
    paths = (listed.with_name(name) for name in ("utt2dur", "utt2num_samples", "utt2sr"))
    seconds, samples, rates = (_numbers(path) for path in paths)
    return seconds | {
        key: count / rates[key] for key, count in samples.items() if rates.get(key, 0) > 0
    }


def _numbers(path: Path) -> dict[str, float]:
    """A table of numbers; {} where there is none that can be read, since others can be asked."""
    try:
        return {key: float(value) for key, value in read_table(path).items()}
    except (DataError, ValueError):
        return {}


def _seconds(item: Item, stated: Mapping[str, float]) -> float:
    if item.problem:
        return 0.0
    if (seconds := stated.get(item.name)) is not None and 0 <= seconds < 1e9:
        return seconds
    if item.seconds is not None:
        return item.seconds
    if item.command is not None or item.sound is not None:
        return _UNKNOWN_SECONDS
    if item.span is not None and item.span.end is not None:
        return item.span.end - item.span.begin
    whole = stated_seconds(item.source)
    if whole is None:
        with contextlib.suppress(OSError, ValueError):
            whole = os.stat(item.source).st_size / _BYTES_A_SECOND
    return max(0.0, (whole or 0.0) - (item.span.begin if item.span else 0.0))


def choose(
    inputs: Sequence[str], groups: Sequence[Sequence[Item]], part: Part | None, report: bool
) -> range:
    """The indices of the groups of items, which stay together, that a part (or the whole) does."""
    if part is None:
        return range(len(groups))
    seconds = iter(durations(inputs, [item for group in groups for item in group]))
    sums = [sum(next(seconds) for _ in group) for group in groups]
    chosen = cut(sums, part)
    if report:
        files, own = sum(map(len, groups)), sum(len(groups[index]) for index in chosen)
        hours = sum(sums[index] for index in chosen) / 3600
        print(
            f"codec: part {part.number} of {part.of}: {own} of {files} files, about {hours:.2f} of "
            f"{sum(sums) / 3600:.2f} h",
            file=sys.stderr,
        )
        if not chosen and len(groups) < files:
            print(
                "codec: no shard falls to this part: there is work for "
                f"{len(groups)} of {part.of}; a smaller --shard-size makes more shards",
                file=sys.stderr,
            )
    return chosen


@contextlib.contextmanager
def joining(manifest: Path | None, whole: Plan, part: Part | None) -> Iterator[Path | None]:
    """Where to write the manifest of a run; in the end, what all parts have made is joined.

    The manifest of the whole is written by whichever part finds those of all. The list of outputs
    has those that are there by then.
    """
    if part is None:
        yield manifest
        return
    try:
        yield None if manifest is None else part.manifest(manifest)
    finally:
        if manifest is not None:
            _join_manifests(manifest, [item.name for item in whole.items], part.of)
        # Another part may have finished, and written its list, while this one was being written.
        while whole.list_path is not None and write_list(whole):
            pass


def _join_manifests(path: Path, names: Sequence[str], of: int) -> None:
    """Write the manifest of all parts, unless one is missing or of other inputs than these."""
    texts = []
    for number in range(1, of + 1):
        try:
            texts.append(Part(number, of).manifest(path).read_bytes())
        except FileNotFoundError:
            return
    if names_of_manifest(b"".join(texts)) == list(names):
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"".join(texts))
