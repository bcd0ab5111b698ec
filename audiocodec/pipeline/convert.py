"""Code files from one format to another, without loss and without a model."""

import contextlib
from collections.abc import Sequence
from pathlib import Path

from audiocodec.codes import CODE_SUFFIXES, Coded, write_codes
from audiocodec.containers.shard_files import SHARD_SUFFIXES, OpenShards
from audiocodec.containers.shards import FORMATS
from audiocodec.errors import ConfigError
from audiocodec.pipeline import batch, models
from audiocodec.pipeline.options import ConvertOptions
from audiocodec.pipeline.paths import Item, input_codes, output_file, plan, require_suffix
from audiocodec.pipeline.progress import Summary
from audiocodec.pipeline.rows import with_rows
from audiocodec.pipeline.shards import refuse_flat_files, write_shards

DEFAULTS = ConvertOptions()


def convert_files(
    inputs: Sequence[str | Path],
    output: str | Path,
    model: str | Path | None = None,
    options: ConvertOptions = DEFAULTS,
) -> Summary:
    """Write code files in another format.

    Args:
        inputs: code files, folders of them (searched at any depth) or lists (`*.scp`); unless
            shards are written also shards, whose utterances are named by their ids.
        output: a file for one file, whose suffix is the format; else a folder.
        model: whose entropy tables the codes are coded with, as `load_codec` takes it.

    Raises:
        ConfigError: options, inputs and output that do not go together; nothing has been written.
        CodecError: the only file cannot be converted.
        PartialFailure: some of several files failed; the others are done.

    >>> from audiocodec import ConvertOptions, convert_files
    >>> convert_files(["speech.npy"], "packed/", options=ConvertOptions(format="codec")).done
    1
    """
    if options.format in FORMATS:
        if options.entropy:
            raise ConfigError(f"{options.format} shards hold plain codes; leave out entropy coding")
        return write_shards(inputs, output, model, options)
    refuse_flat_files(options)
    suffix = f".{options.format}"
    todo = plan(
        [*map(str, inputs)], str(output), CODE_SUFFIXES, suffix, "codes.scp", SHARD_SUFFIXES
    )
    require_suffix(todo, CODE_SUFFIXES, "a code file ends in")
    tables = models.load_tables(model, required=options.entropy)
    todo, shards = with_rows(todo, suffix), OpenShards()

    def load(item: Item) -> Coded:
        if item.row is not None:
            return Coded(*shards.read(item.source, item.row))
        return input_codes(item, tables)

    def compute(items: Sequence[Coded]) -> Sequence[Coded]:
        return items

    def save(item: Item, coded: Coded) -> None:
        with output_file(item.target, suffix) as path:
            write_codes(path, coded.codes, coded.metadata, tables if options.entropy else None)

    pipeline = batch.Pipeline(
        load,
        compute,
        save,
        lambda coded: coded.metadata.duration,
        nominal_bits=lambda coded: coded.nominal_bits,
    )
    with contextlib.closing(shards):
        return batch.run(todo, pipeline, options)
