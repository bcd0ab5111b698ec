"""Audio files to code files or shards, through a model."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.codes import CODE_SUFFIXES, Coded, read_codes, write_codes
from audiocodec.containers.shards import FORMATS
from audiocodec.data.stores import is_url
from audiocodec.entropy.model import EntropyTables
from audiocodec.errors import CodeFileError, ConfigError
from audiocodec.pipeline import batch, models, parts
from audiocodec.pipeline.encoding import batch_seconds, encoding, load_encoder
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.paths import SOUNDS, Item, Plan, output_file, plan, require_suffix
from audiocodec.pipeline.progress import Summary
from audiocodec.pipeline.shards import refuse_flat_files

if TYPE_CHECKING:
    from audiocodec.models.transcoder import Transcoder

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
        inputs: audio files, folders of them (searched at any depth), lists (`*.scp`) or data
            directories; Parquet and WebDataset files with audio, datasets on disk, manifests of
            lhotse's cuts; or the fsspec URLs of such.
        output: a file for one file, else a folder, in which the tree of the inputs is kept; of
            shards also a URL.
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
    _refuse_idle(options)
    if options.format in FORMATS:
        from audiocodec.pipeline.encode_corpus import encode_corpus

        return encode_corpus(inputs, output, model, device, options)
    refuse_flat_files(options)
    if options.engine != "local" or is_url(output):
        what = f"behind a URL ({output})" if is_url(output) else f"by engine {options.engine}"
        raise ConfigError(
            f"{options.format} files are not written {what}, but shards are: give format "
            + " or ".join(FORMATS)
        )
    suffix = f".{options.format}"
    names = [*map(str, inputs)]
    todo = plan(names, str(output), AUDIO_SUFFIXES, suffix, "codes.scp", listing=SOUNDS)
    require_suffix(todo, CODE_SUFFIXES, "a code file ends in")
    whole, part = todo, parts.part_of(options)
    if part is not None:
        if todo.single:
            raise ConfigError(
                f"{todo.items[0].source}: is one file; --part takes folders and lists"
            )
        chosen = parts.choose(names, [[item] for item in todo.items], part, options.report)
        todo = Plan([todo.items[index] for index in chosen])
    tables = models.load_tables(model, required=True) if options.entropy else None

    def save(item: Item, coded: Coded) -> None:
        with output_file(item.target, suffix) as path:
            write_codes(path, coded.codes, coded.metadata, tables)

    transcoder = load_encoder(model, device, options)
    with (
        models.model_workers(transcoder.codec, options, device, todo.single) as workers,
        parts.joining(options.manifest, whole, part) as manifest,
    ):
        options = replace(options, manifest=manifest)
        seconds = 0 if todo.single else batch_seconds(transcoder, device, options)
        pipeline = encoding(transcoder, options, save)
        pipeline = replace(pipeline, nominal_bits=lambda coded: coded.nominal_bits)
        if options.skip_existing:
            _refuse_mixture(todo.items, transcoder, options, tables)
        return batch.run(todo, pipeline, options, seconds, workers)


def _refuse_idle(options: EncodeOptions) -> None:
    """Raises ConfigError for options that cannot be, or that would be without effect."""
    if options.engine == "local" and (options.address or options.actors or options.gpus_per_actor):
        raise ConfigError("address, actors and gpus-per-actor are of a cluster: give --engine ray")
    if options.gpus_per_actor < 0:
        raise ConfigError(f"gpus-per-actor is {options.gpus_per_actor}; give 0 or more")
    if options.shard_hours is not None and not options.shard_hours > 0:
        raise ConfigError(f"shard-hours is {options.shard_hours}; give more than 0")
    if options.shard_hours is not None and options.format not in FORMATS:
        raise ConfigError(f"shard-hours is of shards; give format {' or '.join(FORMATS)}")


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
