"""What `codec pack` and `codec unpack` share: code files from one format to the other."""

import argparse
from collections.abc import Sequence

from audiocodec.codes import Coded, write_codes
from audiocodec.entropy.model import EntropyTables
from audiocodec.errors import ConfigError
from audiocodec.pipeline import batch
from audiocodec.pipeline.paths import STANDARD, Item, input_codes, output_file, plan


def convert(
    args: argparse.Namespace,
    from_suffixes: Sequence[str],
    to_suffix: str,
    tables: EntropyTables | None,
) -> None:
    """Do all that the arguments of `add_path_arguments` name; packed files need `tables`."""
    todo = plan(args.inputs, args.output, from_suffixes, to_suffix, "codes.scp")
    for item in todo.items[: todo.single]:
        if str(item.target) != STANDARD and item.target.suffix != to_suffix:
            raise ConfigError(f"{item.target}: this command writes {to_suffix} files")

    def load(item: Item) -> Coded:
        return input_codes(item.source, tables)

    def compute(items: Sequence[Coded]) -> Sequence[Coded]:
        return items

    def save(item: Item, coded: Coded) -> None:
        with output_file(item.target, to_suffix) as path:
            write_codes(path, coded.codes, coded.metadata, tables)

    pipeline = batch.Pipeline(
        load,
        compute,
        save,
        lambda coded: coded.metadata.duration,
        nominal_bits=lambda coded: coded.nominal_bits,
    )
    batch.run(todo, pipeline, args)
