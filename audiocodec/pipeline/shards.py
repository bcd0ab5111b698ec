"""Code files of a corpus to few large files, for language model training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from audiocodec.codes import CODE_SUFFIXES, CodesMetadata, read_codes
from audiocodec.containers.shards import FORMATS, Row, describe, writer
from audiocodec.entropy.model import EntropyTables
from audiocodec.errors import CodecError, CodeFileError, ConfigError
from audiocodec.pipeline.labels import Labels
from audiocodec.pipeline.models import load_tables
from audiocodec.pipeline.options import ConvertOptions
from audiocodec.pipeline.paths import Item, found
from audiocodec.pipeline.progress import Progress, Summary


def write_shards(
    inputs: Sequence[str | Path],
    output: str | Path,
    model: str | Path | None,
    options: ConvertOptions,
) -> Summary:
    """Write every shard; files that cannot be read are reported and left out.

    Raises:
        PartialFailure: some could not be read.
    """
    files = [pair for given in inputs for pair in found(str(given), CODE_SUFFIXES)]
    if not files:
        names = ", ".join(map(str, inputs))
        raise ConfigError(f"{names}: no {' '.join(CODE_SUFFIXES)} file there")
    labels = Labels(inputs, options)
    tables = load_tables(model)
    suffix, write = writer(options.format)
    size = options.shard_size
    shards = [files[i : i + size] for i in range(0, len(files), size)]
    targets = [Path(output) / name for name in shard_names(len(shards), suffix)]
    skipped = [options.skip_existing and target.exists() for target in targets]
    there = sum(len(shard) for shard, skip in zip(shards, skipped, strict=True) if skip)
    progress = Progress(len(files), there, options.report)
    reader = _Reader(labels, tables, progress)
    for shard, target, skip in zip(shards, targets, skipped, strict=True):
        rows = [] if skip else reader.rows(shard)
        if rows:
            write(target, rows, reader.shared)
    return progress.finish()


def shard_names(count: int, suffix: str) -> list[str]:
    """The file names of all shards of a corpus."""
    return [f"codes-{i:05d}-of-{count:05d}{suffix}" for i in range(count)]


def refuse_flat_files(options: ConvertOptions) -> None:
    """Raises ConfigError if code files are to be flattened."""
    if options.flatten:
        raise ConfigError(
            f"flatten is for shards ({', '.join(FORMATS)}); code files have a row for each stage"
        )


class _Reader:
    """Reads rows, and makes sure that one model made them all."""

    def __init__(self, labels: Labels, tables: EntropyTables | None, progress: Progress) -> None:
        self.labels, self.tables, self.progress = labels, tables, progress
        self.shared: dict[str, Any] = {}

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
            other = ", ".join(
                f"{name} {value}, not {self.shared[name]}"
                for name, value in shared.items()
                if value != self.shared[name]
            )
            raise CodeFileError(f"{path}: made with other settings than the first file: {other}")
        if codes.ndim == 3:
            if len(codes) > 1:
                raise CodeFileError(f"{path}: has {len(codes)} channels; shards take one")
            codes = codes[0]
        return self.labels.row(Item(name, path, path), codes, metadata), metadata
