"""Audio files to code files or shards, through a model."""

import contextlib
import itertools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.codes import CODE_SUFFIXES, Coded, read_codes, write_codes
from audiocodec.containers.shards import FORMATS, describe, writer
from audiocodec.entropy.model import EntropyTables
from audiocodec.errors import CodeFileError, ConfigError, DataError
from audiocodec.pipeline import batch, models, parts
from audiocodec.pipeline.labels import Labels
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.paths import (
    Item,
    Plan,
    entries,
    input_file,
    item_of,
    output_file,
    plan,
    require_suffix,
)
from audiocodec.pipeline.progress import Progress, Summary
from audiocodec.pipeline.shards import refuse_flat_files, shards_of

if TYPE_CHECKING:
    from audiocodec.models.chunking import LongSound
    from audiocodec.models.transcoder import Sound, Transcoder

DEFAULTS = EncodeOptions()


def encode_files(
    inputs: Sequence[str | Path],
    output: str | Path,
    model: models.ModelName = None,
    device: str = "cpu",
    options: EncodeOptions = DEFAULTS,
) -> Summary:
    """Encode audio files with a model.

    Args:
        inputs: audio files, folders of them (searched at any depth) or lists (`*.scp`).
        output: a file for one file, else a folder, in which the tree of the inputs is kept.
        model: a codec, or what `load_codec` takes; None for the default model.
        device: where a model that has to be loaded runs, e.g. "cuda".

    Raises:
        ConfigError: options, inputs and output that do not go together; nothing has been written.
        CodecError: the only file cannot be encoded.
        PartialFailure: some of several files failed; the others are done.

    >>> from audiocodec import EncodeOptions, encode_files
    >>> summary = encode_files(["corpus"], "codes", options=EncodeOptions(num_quantizers=4))
    >>> summary.done, summary.seconds  # seconds of audio
    (2, 2.0)
    """
    if options.format in FORMATS:
        return _encode_to_shards(inputs, output, model, device, options)
    refuse_flat_files(options)
    suffix = f".{options.format}"
    todo = plan([*map(str, inputs)], str(output), AUDIO_SUFFIXES, suffix, "codes.scp")
    require_suffix(todo, CODE_SUFFIXES, "a code file ends in")
    whole, part = todo, parts.part_of(options)
    if part is not None:
        if todo.single:
            raise ConfigError(
                f"{todo.items[0].source}: is one file; --part takes folders and lists"
            )
        chosen = parts.choose(
            [*map(str, inputs)], [[item] for item in todo.items], part, options.report
        )
        todo = Plan([todo.items[index] for index in chosen])
    tables = models.load_tables(model, required=True) if options.entropy else None

    def save(item: Item, coded: Coded) -> None:
        with output_file(item.target, suffix) as path:
            write_codes(path, coded.codes, coded.metadata, tables)

    transcoder = _transcoder(model, device, options)
    with (
        models.model_workers(transcoder.codec, options, device, todo.single) as workers,
        parts.joining(options.manifest, whole, part) as manifest,
    ):
        options = replace(options, manifest=manifest)
        seconds = 0 if todo.single else _batch_seconds(transcoder, device, options)
        pipeline = _pipeline(transcoder, options, save)
        pipeline = replace(pipeline, nominal_bits=lambda coded: coded.nominal_bits)
        if options.skip_existing:
            _refuse_mixture(todo.items, transcoder, options, tables)
        return batch.run(todo, pipeline, options, seconds, workers)


def _refuse_mixture(
    items: Sequence[Item],
    transcoder: "Transcoder",
    options: EncodeOptions,
    tables: EntropyTables | None,
) -> None:
    """Raises ConfigError if a code file that would be left as it is has other settings than new
    ones; what is no whole code file of these tables is not compared.
    """
    sizes = transcoder.codec.codebook_sizes[: options.num_quantizers]
    wanted = (transcoder.model_hash, len(sizes), options.channel == "each")
    for item in items:
        if not os.path.isfile(item.target):
            continue
        with contextlib.suppress(CodeFileError):
            codes, metadata = read_codes(item.target, tables)
            kept = codes.ndim == 3
            if (metadata.model_hash, len(metadata.codebook_sizes), kept) != wanted:
                raise ConfigError(
                    f"{item.target}: made with other settings (model {metadata.model}, "
                    f"{len(metadata.codebook_sizes)} quantizers, {'each' if kept else 'one'} "
                    "channel) than this run; --skip-existing would leave a mixture, so encode to "
                    "another folder, or all of it anew"
                )


def _transcoder(model: models.ModelName, device: str, options: EncodeOptions) -> "Transcoder":
    transcoder = models.load_transcoder(model, device)
    transcoder.codec.resolve_num_quantizers(options.num_quantizers)  # refuses too many
    transcoder.codec.encoding()  # made once, before threads share it
    return transcoder


def _batch_seconds(transcoder: "Transcoder", device: str, options: EncodeOptions) -> float:
    return models.batch_seconds(options, device, transcoder.codec.batch_seconds)


def _pipeline(
    transcoder: "Transcoder", options: EncodeOptions, save: Callable[[Item, Coded], None]
) -> "batch.Pipeline[Sound | LongSound, Coded]":
    def load(item: Item) -> "Sound | LongSound":
        if item.command and not options.run_commands:
            raise DataError(
                f"{item.name}: is a command, which is not run ({item.command}); give "
                "--run-commands if you trust the list"
            )
        with input_file(item, transcoder.stopped) as source:
            return transcoder.read(
                source, options.channel, span=item.span, allow_truncated=options.allow_truncated
            )

    def compute(sounds: Sequence["Sound | LongSound"]) -> Sequence[Coded]:
        return transcoder.encode(sounds, options.num_quantizers, options.channel)

    return batch.Pipeline(load, compute, save, lambda s: s.duration, transcoder.stopped.set)


def _encode_to_shards(
    inputs: Sequence[str | Path],
    output: str | Path,
    model: models.ModelName,
    device: str,
    options: EncodeOptions,
) -> Summary:
    """Encode a corpus, one shard after the other; those that exist may be left as they are."""
    if options.channel == "each" or options.entropy:
        raise ConfigError(
            f"{options.format} shards hold neither several channels nor entropy codes"
        )
    files = [pair for given in inputs for pair in entries(str(given), AUDIO_SUFFIXES)]
    if not files or len(dict(files)) < len(files):
        wrong = "an id comes twice" if files else f"no {' '.join(AUDIO_SUFFIXES)} file there"
        raise ConfigError(f"{', '.join(map(str, inputs))}: {wrong}")
    labels = Labels(inputs, options)
    suffix, write = writer(options.format)
    groups, targets = shards_of(files, Path(output), options.shard_size, suffix)
    shards = [
        [item_of(name, entry, target) for name, entry in group]
        for group, target in zip(groups, targets, strict=True)
    ]
    whole, part = Plan([*itertools.chain(*shards)]), parts.part_of(options)
    chosen = parts.choose([*map(str, inputs)], shards, part, options.report)
    shards = [shards[index] for index in chosen]
    left = [not (options.skip_existing and shard[0].target.exists()) for shard in shards]
    count = sum(map(len, shards))
    skipped = count - sum(map(len, itertools.compress(shards, left)))
    coded: dict[Item, Coded] = {}
    progress = Progress(count, skipped, options.report)
    transcoder = _transcoder(model, device, options)
    with (
        models.model_workers(transcoder.codec, options, device, single=False) as workers,
        batch.stoppable(),
        parts.joining(options.manifest, whole, part) as manifest,
    ):
        seconds = _batch_seconds(transcoder, device, options)
        pipeline = _pipeline(transcoder, options, coded.__setitem__)
        for shard in itertools.compress(shards, left):
            batch.run_items(shard, pipeline, options, progress, seconds, workers)
            pairs = [(item, coded.pop(item)) for item in shard if item in coded]
            if pairs:
                rows = [labels.row(item, *own) for item, own in pairs]
                write(shard[0].target, rows, describe(pairs[0][1].metadata))
        batch.write_manifest(manifest, itertools.chain(*shards), progress.outcomes)
    return progress.finish()
