"""Code files to audio files of exactly the encoded length and sample rate, through a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.codes import CODE_SUFFIXES, Coded
from audiocodec.pipeline import batch, models
from audiocodec.pipeline.options import DecodeOptions
from audiocodec.pipeline.paths import Item, input_codes, output_file, plan, require_suffix
from audiocodec.pipeline.progress import Summary

if TYPE_CHECKING:
    from audiocodec.models.chunking import LongDecoded
    from audiocodec.models.transcoder import Decoded

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
        inputs: code files, folders of them (searched at any depth) or lists (`*.scp`).
        output: a file for one file, else a folder, in which the tree of the inputs is kept.
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
    todo = plan([*map(str, inputs)], str(output), CODE_SUFFIXES, suffix, "wav.scp")
    require_suffix(todo, [f".{name}" for name in FORMATS], "decoded audio ends in")
    tables = models.load_tables(model)
    with models.model_workers(options, device, todo.single) as workers:
        transcoder = models.load_transcoder(model, device)

        def load(item: Item) -> Coded:
            coded = input_codes(item.source, tables)
            transcoder.check(coded.metadata, str(item.source))
            return coded

        def save(item: Item, decoded: "Decoded | LongDecoded") -> None:
            with output_file(item.target, suffix) as path:
                decoded.write(path)

        def seconds(coded: Coded) -> float:
            return coded.metadata.duration

        pipeline = batch.Pipeline(load, transcoder.decode, save, seconds, transcoder.stopped.set)
        return batch.run(todo, pipeline, options, models.batch_seconds(options, device), workers)
