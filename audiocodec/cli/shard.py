"""`codec shard`: code files of a corpus to few large files, for language model training."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from audiocodec.cli.arguments import (
    add_model_argument,
    add_shard_arguments,
    load_tables,
)
from audiocodec.codes import CODE_SUFFIXES, CodesMetadata, read_codes
from audiocodec.containers.shards import FORMATS, Row, describe, writer
from audiocodec.data.lists import read_table
from audiocodec.entropy.model import EntropyTables
from audiocodec.errors import CodecError, CodeFileError, ConfigError
from audiocodec.pipeline.paths import Item, found
from audiocodec.pipeline.progress import Progress

Entry = TypeVar("Entry")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec shard`."""
    parser.add_argument("inputs", nargs="+", metavar="IN", help="code file, folder or list (*.scp)")
    parser.add_argument("output", metavar="OUT", help="folder of the shards")
    parser.add_argument(
        "--format", choices=list(FORMATS), default="parquet", help="default: parquet"
    )
    add_shard_arguments(parser)
    parser.add_argument(
        "--skip-existing", action="store_true", help="leave shards that exist as they are"
    )
    add_model_argument(parser)


def run(args: argparse.Namespace) -> None:
    """Write every shard; files that cannot be read are reported and left out."""
    files = [pair for given in args.inputs for pair in found(given, CODE_SUFFIXES)]
    if not files:
        raise ConfigError(f"{', '.join(args.inputs)}: no {' '.join(CODE_SUFFIXES)} file there")
    speakers = {} if args.utt2spk is None else read_table(Path(args.utt2spk))
    tables = load_tables(args.model)
    suffix, write = writer(args.format)
    shards, targets = shards_of(files, args, suffix)
    skipped = [args.skip_existing and target.exists() for target in targets]
    progress = Progress(
        len(files), sum(len(shard) for shard, skip in zip(shards, skipped, strict=True) if skip)
    )
    reader = _Reader(speakers, tables, progress)
    for shard, target, skip in zip(shards, targets, skipped, strict=True):
        rows = [] if skip else reader.rows(shard)
        if rows:
            write(target, rows, reader.shared)
    progress.finish()


def shards_of(
    files: Sequence[Entry], args: argparse.Namespace, suffix: str
) -> tuple[list[Sequence[Entry]], list[Path]]:
    """The files of each shard, and its path."""
    parts = [files[i : i + args.utterances] for i in range(0, len(files), args.utterances)]
    names = [f"codes-{i:05d}-of-{len(parts):05d}{suffix}" for i in range(len(parts))]
    return parts, [Path(args.output) / name for name in names]


class _Reader:
    """Reads rows and sees to it that one model made them all."""

    def __init__(
        self, speakers: dict[str, str], tables: EntropyTables | None, progress: Progress
    ) -> None:
        self.speakers, self.tables, self.progress = speakers, tables, progress
        self.shared: dict[str, str] = {}

    def rows(self, files: Sequence[tuple[str, Path]]) -> list[Row]:
        """The rows of the files that can be read."""
        rows = []
        for name, path in files:
            try:
                row, metadata = self._row(name, path)
            except CodecError as error:
                self.progress.fail(Item(name, path, path), error)
            else:
                rows.append(row)
                self.progress.add(metadata.duration)
        return rows

    def _row(self, name: str, path: Path) -> tuple[Row, CodesMetadata]:
        codes, metadata = read_codes(path, self.tables)
        shared = describe(metadata)
        self.shared = self.shared or shared
        if shared != self.shared:
            raise CodeFileError(
                f"{path}: {shared} differ from those of the first file, {self.shared}"
            )
        if codes.ndim == 3:
            if len(codes) > 1:
                raise CodeFileError(f"{path}: has {len(codes)} channels; shards take one")
            codes = codes[0]
        return Row(name, self.speakers.get(name), codes, metadata.num_samples), metadata
