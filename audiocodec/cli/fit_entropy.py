"""`codec fit-entropy`: give a model the tables with which `--entropy` makes its codes smaller."""

import argparse
from pathlib import Path

from audiocodec.cli.arguments import positive
from audiocodec.cli.output import print_report
from audiocodec.cli.paths import found
from audiocodec.codes import CODE_SUFFIXES, read_codes
from audiocodec.containers.fit import fit_tables
from audiocodec.containers.tables import TABLES_FILE, write_tables
from audiocodec.errors import CodeFileError
from audiocodec.models.folders import model_folder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec fit-entropy`."""
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="training codes: files, folders, lists (*.scp)"
    )
    parser.add_argument("--model", required=True, metavar="M", help="folder of the model")
    parser.add_argument(
        "--classes", type=positive, default=32, metavar="N", help="contexts (default: 32)"
    )


def run(args: argparse.Namespace) -> None:
    """Count, and write the tables into the model's folder."""
    folder = model_folder(args.model)
    sequences, makers = [], set()
    for given in args.inputs:
        for _, path in found(given, CODE_SUFFIXES):
            codes, metadata = read_codes(path)
            makers.add((metadata.model_hash, metadata.codebook_sizes))
            sequences += list(codes.reshape(-1, *codes.shape[-2:]))
    if len(makers) != 1:
        raise CodeFileError(f"{len(makers)} models made these codes; give those of {args.model}")
    ((_, codebook_sizes),) = makers
    write_tables(folder, fit_tables(sequences, codebook_sizes, args.classes))
    frames = sum(codes.shape[-1] for codes in sequences)
    print_report({"tables": str(Path(folder) / TABLES_FILE), "frames": frames}, as_json=False)
