"""Code files to audio files of exactly the encoded length and sample rate, through a model."""

import contextlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from audiocodec.codes import CODE_SUFFIXES, Coded, CodesMetadata
from audiocodec.containers.metadata import smallest_dtype
from audiocodec.containers.npy import read_bare
from audiocodec.containers.shard_files import SHARD_SUFFIXES, OpenShards
from audiocodec.errors import CodeFileError
from audiocodec.pipeline import batch, models
from audiocodec.pipeline.options import DecodeOptions
from audiocodec.pipeline.paths import Item, input_codes, output_file, plan, require_suffix
from audiocodec.pipeline.progress import Summary
from audiocodec.pipeline.rows import with_rows

if TYPE_CHECKING:
    from audiocodec.models.chunking import LongDecoded
    from audiocodec.models.transcoder import Decoded, Transcoder

log = logging.getLogger(__name__)

FORMATS = ("wav", "flac", "ogg")

DEFAULTS = DecodeOptions()


def decode_files(
    inputs: Sequence[str | Path],
    output: str | Path,
    model: models.ModelName = None,
    device: str = "cpu",
    options: DecodeOptions = DEFAULTS,
) -> Summary:
    """Decode code files with the model that made them.

    Args:
        inputs: code files, shards of them (`.parquet`, `.tar`), folders of both (searched at any
            depth) or lists (`*.scp`).
        output: a file for one file, else a folder, in which the tree of the inputs is kept; the
            utterances of a shard are named by their ids.
        model: a codec, or what `load_codec` takes; None for the default model.
        device: where a model that has to be loaded runs, e.g. "cuda".

    Raises:
        ConfigError: options, inputs and output that do not go together; nothing has been written.
        CodecError: the only file cannot be decoded, e.g. since another model made it.
        PartialFailure: some of several files failed; the others are done.

    >>> from audiocodec import DecodeOptions, decode_files
    >>> decode_files(["speech.npy"], "decoded.flac").done
    1
    """
    suffix = f".{options.format}"
    todo = plan([*map(str, inputs)], str(output), CODE_SUFFIXES, suffix, "wav.scp", SHARD_SUFFIXES)
    require_suffix(todo, [f".{name}" for name in FORMATS], "decoded audio ends in")
    tables = models.load_tables(model)
    transcoder = models.load_transcoder(model, device, options.runtime)
    with (
        models.model_workers(transcoder.codec, options, device, todo.single) as workers,
        contextlib.closing(OpenShards()) as shards,
    ):
        todo = with_rows(todo, suffix, transcoder.check)

        def load(item: Item) -> Coded:
            if item.row is not None:
                coded = Coded(*shards.read(item.source, item.row))
                transcoder.check(coded.metadata, f"{item.source}: row {item.row} ({item.name})")
                return coded
            bare = _bare_codes(item, transcoder)
            if bare is not None:
                return bare
            coded = input_codes(item, tables)
            transcoder.check(coded.metadata, str(item.source))
            return coded

        def save(item: Item, decoded: "Decoded | LongDecoded") -> None:
            with output_file(item.target, suffix) as path:
                decoded.write(path)

        def seconds(coded: Coded) -> float:
            return coded.metadata.duration

        pipeline = batch.Pipeline(load, transcoder.decode, save, seconds, transcoder.stopped.set)
        return batch.run(todo, pipeline, options, models.batch_seconds(options, device), workers)


def _bare_codes(item: Item, transcoder: "Transcoder") -> Coded | None:
    """The codes of a .npy array without metadata, as language models give them; None for others.

    Raises:
        CodeFileError: integers that are no codes of the model.
    """
    if item.source.suffix.lower() != ".npy" or not item.source.is_file():
        return None
    array = read_bare(item.source)
    if array is None:
        return None
    codec = transcoder.codec
    codes = array[None] if array.ndim == 1 else array[0] if array.ndim == 3 else array
    stages, shape = codec.num_quantizers, array.shape
    whole = array.ndim in (1, 2) or (array.ndim == 3 and len(array) == 1)
    if not whole or not array.size or len(codes) > stages:
        turned = array.ndim == 2 and shape[1] <= stages < shape[0]
        raise CodeFileError(
            f"{item.source}: an array of shape {shape} without metadata; {codec.name} decodes "
            f"(frames,), (n, frames) or (1, n, frames) with n up to {stages}"
            + ("; transpose it" if turned else "")
        )
    num_samples = codes.shape[1] * codec.hop_length
    sizes = codec.codebook_sizes[: len(codes)]
    model, rate = (codec.name, transcoder.model_hash), codec.sample_rate
    metadata = CodesMetadata(
        *model, rate, codec.hop_length, sizes, num_samples, rate, num_samples, 1
    )
    if (codes.max(axis=1) >= np.array(sizes)).any() or codes.min() < 0:
        raise CodeFileError(f"{item.source}: has codes outside the codebooks of {codec.name}")
    log.warning(
        "%s: no metadata; taken as %d of %d stages and %d frames of model %s, %d Hz (--model)",
        *(item.source, len(codes), stages, codes.shape[1], codec.name, rate),
    )
    return Coded(codes.astype(smallest_dtype(sizes)), metadata)
