"""`codec encode`: audio files to code files."""

import argparse
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.cli import arguments
from audiocodec.cli.shard import shards_of
from audiocodec.codes import CODE_SUFFIXES, Coded, write_codes
from audiocodec.containers.metadata import smallest_dtype
from audiocodec.containers.shards import FORMATS, Row, describe, writer
from audiocodec.data.lists import read_table
from audiocodec.errors import ConfigError, DataError
from audiocodec.pipeline import batch
from audiocodec.pipeline.paths import (
    STANDARD,
    Item,
    entries,
    input_file,
    item_of,
    output_file,
    plan,
)
from audiocodec.pipeline.progress import Progress

if TYPE_CHECKING:
    from audiocodec.models.chunking import LongSound
    from audiocodec.models.codec import Codec
    from audiocodec.models.transcoder import Sound, Transcoder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec encode`."""
    arguments.add_path_arguments(parser, "audio", "code")
    arguments.add_model_arguments(parser)
    arguments.add_batch_arguments(parser)
    parser.add_argument(
        "--num-quantizers",
        type=arguments.positive,
        metavar="N",
        help="stages to keep (default: all)",
    )
    parser.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in CODE_SUFFIXES] + list(FORMATS),
        default="npy",
        help="of the files in a folder (default: npy), or of shards there as `codec shard` writes",
    )
    arguments.add_shard_arguments(parser)
    arguments.add_entropy_argument(parser)
    arguments.add_sound_arguments(parser)
    parser.add_argument(
        "--run-commands",
        action="store_true",
        help="run the entries of a list that are shell commands ('... |'); if you trust it",
    )


def run(args: argparse.Namespace) -> None:
    """Encode everything that the arguments name."""
    if args.format in FORMATS:
        _run_to_shards(args)
        return
    todo = plan(args.inputs, args.output, AUDIO_SUFFIXES, f".{args.format}", "codes.scp")
    for item in todo.items[: todo.single]:
        if str(item.target) != STANDARD and item.target.suffix not in CODE_SUFFIXES:
            raise ConfigError(f"{item.target}: a code file ends in {', '.join(CODE_SUFFIXES)}")
    tables = arguments.load_tables(args.model, required=True) if args.entropy else None

    def save(item: Item, coded: Coded) -> None:
        with output_file(item.target, f".{args.format}") as path:
            write_codes(path, coded.codes, coded.metadata, tables)

    workers = arguments.workers(args, todo.single)
    transcoder = _transcoder(args)
    seconds = 0 if todo.single else _batch_seconds(args, transcoder.codec)
    pipeline = replace(_pipeline(args, transcoder, save), nominal_bits=lambda c: c.nominal_bits)
    batch.run(todo, pipeline, args, seconds, workers)


def _transcoder(args: argparse.Namespace) -> "Transcoder":
    from audiocodec.models.transcoder import Transcoder  # torch takes seconds to load

    transcoder = Transcoder(arguments.load_model(args))
    transcoder.codec.bitrate(args.num_quantizers)  # refuses more stages than the model has
    transcoder.codec.exact_encoder()  # made once, before threads share it
    return transcoder


def _batch_seconds(args: argparse.Namespace, codec: "Codec") -> float:
    from audiocodec.models.batch_size import encoder_batch_seconds

    return arguments.batch_seconds(args, lambda: encoder_batch_seconds(codec))


def _pipeline(
    args: argparse.Namespace, transcoder: "Transcoder", save: Callable[[Item, Coded], None]
) -> "batch.Pipeline[Sound | LongSound, Coded]":
    def load(item: Item) -> "Sound | LongSound":
        if item.command and not args.run_commands:
            raise DataError(
                f"{item.name}: is a command, which is not run ({item.command}); give "
                "--run-commands if you trust the list"
            )
        with input_file(item, transcoder.stopped) as source:
            return transcoder.read(
                source, args.channel, span=item.span, allow_truncated=args.allow_truncated
            )

    def compute(sounds: Sequence["Sound | LongSound"]) -> Sequence[Coded]:
        return transcoder.encode(sounds, args.num_quantizers, args.channel)

    return batch.Pipeline(load, compute, save, lambda s: s.duration, transcoder.stopped.set)


def _run_to_shards(args: argparse.Namespace) -> None:
    """Encode a corpus, one shard after the other; those that exist may be left as they are."""
    if args.channel == "each" or args.entropy:
        raise ConfigError(f"--format {args.format} goes with neither --channel each nor --entropy")
    files = [pair for given in args.inputs for pair in entries(given, AUDIO_SUFFIXES)]
    if not files or len(dict(files)) < len(files):
        wrong = "an id comes twice" if files else f"no {' '.join(AUDIO_SUFFIXES)} file there"
        raise ConfigError(f"{', '.join(args.inputs)}: {wrong}")
    speakers = {} if args.utt2spk is None else read_table(Path(args.utt2spk))
    suffix, write = writer(args.format)
    parts, targets = shards_of(files, args, suffix)
    shards = [
        [item_of(name, entry, target) for name, entry in part]
        for part, target in zip(parts, targets, strict=True)
    ]
    left = [not (args.skip_existing and target.exists()) for target in targets]
    coded: dict[Item, Coded] = {}
    workers = arguments.workers(args, single=False)
    transcoder = _transcoder(args)
    seconds = _batch_seconds(args, transcoder.codec)
    pipeline = _pipeline(args, transcoder, coded.__setitem__)
    progress = Progress(len(files), len(files) - sum(map(len, itertools.compress(shards, left))))
    with batch.stoppable():
        for shard in itertools.compress(shards, left):
            batch.run_items(shard, pipeline, args, progress, seconds, workers)
            pairs = [(item, coded.pop(item)) for item in shard if item in coded]
            rows = [
                Row(
                    item.name,
                    speakers.get(item.name),
                    codes.astype(smallest_dtype(metadata.codebook_sizes)),
                    metadata.num_samples,
                )
                for item, (codes, metadata) in pairs
            ]
            if pairs:
                write(shard[0].target, rows, describe(pairs[0][1].metadata))
    batch.write_manifest(args.manifest, itertools.chain(*shards), progress.outcomes)
    progress.finish()
