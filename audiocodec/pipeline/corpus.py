"""A corpus as shards: which utterances go where, decided from the listing of the sources alone.

Neither the number of processes or machines nor what happens to them changes the division, so each
shard is a function of its inputs, and a run that was killed goes on where it was.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.containers.shards import writer
from audiocodec.data import stores
from audiocodec.data.lists import Entry
from audiocodec.data.sources.kinds import source_entries
from audiocodec.errors import ConfigError
from audiocodec.pipeline.labels import Labels
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.paths import Item, item_of
from audiocodec.pipeline.shards import shard_names

Named = tuple[str, Entry]


@dataclass(frozen=True)
class Shard:
    """What one shard is made of. The sources of its items are paths or what `Item.sound` says."""

    index: int
    target: str  # path or URL
    items: tuple[Item, ...]

    @property
    def seconds(self) -> float | None:
        """Of audio, if the sources say so for all items."""
        lengths = [item.seconds for item in self.items]
        known = [length for length in lengths if length is not None]
        return sum(known) if len(known) == len(lengths) else None


@dataclass(frozen=True)
class Corpus:
    """All shards of a run; `output` is the folder or URL that they go to."""

    output: str
    shards: tuple[Shard, ...]

    @property
    def items(self) -> Iterator[Item]:
        """Those of all shards, in order."""
        return (item for shard in self.shards for item in shard.items)

    def digest(self) -> str:
        """Changes with the utterances, their order and their division; not with the output."""
        digest = hashlib.sha256()
        for shard in self.shards:
            digest.update(b"shard\n")
            for item in shard.items:
                where = item.sound or item.command or item.source.absolute()
                labels = (item.speaker, item.text, item.origin)
                words = (item.name, str(where), str(item.span), *labels)
                digest.update(f"{words!r}\n".encode("utf-8", "surrogateescape"))
        return digest.hexdigest()[:32]


def plan_corpus(inputs: Sequence[str | Path], output: str | Path, options: EncodeOptions) -> Corpus:
    """Divide what the inputs stand for among shards of `shard_size` utterances, in their order.

    Raises:
        ConfigError: nothing there, an id that comes twice, or options that do not go together.
        DataError: an input that cannot be listed.
    """
    if options.channel == "each" or options.entropy:
        raise ConfigError(
            f"{options.format} shards hold neither several channels nor entropy codes"
        )
    suffix, _ = writer(options.format)
    named = _listed([*map(str, inputs)])
    labels = Labels(inputs, options)
    parts = _by_hours(named, options) if options.shard_hours else _by_size(named, options)
    shards = []
    names = shard_names(len(parts), suffix)
    for index, (name, part) in enumerate(zip(names, parts, strict=True)):
        target = stores.join(str(output), name)
        items = tuple(labels.labelled(item_of(key, entry, Path(target))) for key, entry in part)
        shards.append(Shard(index, target, items))
    return Corpus(str(output), tuple(shards))


def _listed(inputs: Sequence[str]) -> list[Named]:
    """All utterances; if ids come twice, those of tables and tar files begin with the file's."""
    named = [pair for given in inputs for pair in source_entries(given, AUDIO_SUFFIXES)]
    if not named:
        raise ConfigError(f"{', '.join(inputs)}: no {' '.join(AUDIO_SUFFIXES)} file there")
    if _twice(named):
        named = [(_longer(key, entry), entry) for key, entry in named]
    if twice := _twice(named):
        raise ConfigError(f"{', '.join(inputs)}: an id comes twice ({twice!r})")
    return named


def _twice(named: Sequence[Named]) -> str | None:
    counts = Counter(key for key, _ in named)
    return next((key for key, count in counts.items() if count > 1), None)


def _longer(key: str, entry: Entry) -> str:
    """The id with the name of the file that holds many."""
    container = entry.sound and entry.sound.container
    return f"{stores.stem(container)}/{key}" if container else key


def _by_size(named: Sequence[Named], options: EncodeOptions) -> list[Sequence[Named]]:
    size = options.shard_size
    return [named[i : i + size] for i in range(0, len(named), size)]


def _by_hours(named: Sequence[Named], options: EncodeOptions) -> list[Sequence[Named]]:
    """A shard ends once it has `shard_hours`, or `shard_size` utterances."""
    assert options.shard_hours is not None
    parts: list[Sequence[Named]] = []
    part: list[Named] = []
    seconds = 0.0
    for key, entry in named:
        if entry.seconds is None:
            raise ConfigError(
                f"{key}: its length is not known without decoding it, so shards cannot be cut by "
                "hours; add utt2dur to the data directory, or cut by --shard-size"
            )
        part.append((key, entry))
        seconds += entry.seconds
        if seconds >= 3600 * options.shard_hours or len(part) == options.shard_size:
            parts.append(part)
            part, seconds = [], 0.0
    return [*parts, part] if part else parts
