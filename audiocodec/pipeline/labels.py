"""What the rows of a shard say besides codes: speaker, text and source of each utterance."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from audiocodec.codes import CodesMetadata
from audiocodec.containers.metadata import smallest_dtype
from audiocodec.containers.shards import Row
from audiocodec.data.lines import table_lines
from audiocodec.data.lists import read_table
from audiocodec.pipeline.options import ConvertOptions
from audiocodec.pipeline.paths import Item, list_of


class Labels:
    """The tables that the options name, or that lie beside the lists among the inputs.

    Raises:
        DataError: a table is missing, no text, or has an utterance twice.
    """

    def __init__(self, inputs: Sequence[str | Path], options: ConvertOptions) -> None:
        lists = [list_of(str(given)) for given in inputs]
        self.folders = [
            Path(given)
            for given, listed in zip(inputs, lists, strict=True)
            if listed is None and os.path.isdir(given)
        ]
        self.given = [str(given).rstrip("/") for given in inputs]
        self.flatten = options.flatten
        self.speakers: dict[str, str] = {}
        self.texts: dict[str, str] = {}
        for path in _tables("utt2spk", options.utt2spk, lists):
            self.speakers |= read_table(path)
        for path in _tables("text", options.text, lists):  # which may be empty for an utterance
            self.texts |= {key: value for _, key, value in table_lines(path)}

    def row(self, item: Item, codes: np.ndarray, metadata: CodesMetadata) -> Row:
        """The row of an item.

        Args:
            codes: (num_quantizers, frames).
        """
        return row_of(self.labelled(item), codes, metadata, self.flatten)

    def labelled(self, item: Item) -> Item:
        """The item with what the tables say of it, else what its source does."""
        return replace(
            item,
            speaker=self.speakers.get(item.name, item.speaker),
            text=self.texts.get(item.name, item.text),
            origin=self.source(item),
        )

    def source(self, item: Item) -> str:
        """The file of an item: within the folder that was given, or as a list or command names it.

        So it does not depend on where a corpus lies, unless a list does.
        """
        if item.command is not None:
            return f"{item.command} |"
        if item.sound is not None:
            return self._inside(str(item.sound))
        for folder in self.folders:
            if item.source.is_relative_to(folder):
                return item.source.relative_to(folder).as_posix()
        return item.source.as_posix()

    def _inside(self, name: str) -> str:
        """The name of a sound that is no local file, within what was given."""
        for given in self.given:
            folder, slash, last = given.rstrip("/").rpartition("/")
            if name.startswith((f"{given}/", f"{given}#")):
                return name[len(folder + slash) :] if "." in last else name[len(given) + 1 :]
        return name


def row_of(item: Item, codes: np.ndarray, metadata: CodesMetadata, flatten: bool) -> Row:
    """The row of a labelled item.

    Args:
        codes: (num_quantizers, frames).
    """
    codes = codes.astype(smallest_dtype(metadata.codebook_sizes))
    return Row(
        item.name,
        item.speaker,
        codes.T.ravel() if flatten else codes,
        metadata.num_samples,
        item.text,
        item.origin,
    )


def _tables(name: str, given: Path | None, lists: Sequence[Path | None]) -> list[Path]:
    if given is not None:
        return [Path(given)]
    beside = [listed.parent / name for listed in lists if listed is not None]
    return [path for path in dict.fromkeys(beside) if path.is_file()]
