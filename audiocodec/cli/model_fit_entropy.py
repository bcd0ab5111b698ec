"""`codec model fit-entropy`: give a model the tables with which `--entropy` shrinks its codes."""

import argparse
import random
from pathlib import Path

import numpy as np

from audiocodec.cli.arguments import add_examples
from audiocodec.cli.output import print_report
from audiocodec.codes import CODE_SUFFIXES, read_codes
from audiocodec.entropy.model import TABLES_FILE, write_tables
from audiocodec.errors import CodeFileError, ModelError
from audiocodec.models import hub
from audiocodec.models.folders import model_folder
from audiocodec.pipeline.paths import found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec model fit-entropy`."""
    parser.add_argument(
        "inputs", nargs="+", metavar="IN", help="training codes: files, folders, lists (*.scp)"
    )
    parser.add_argument("--model", required=True, metavar="M", help="folder of the model")
    add_examples(parser, "codec model fit-entropy codes/ --model my_codec")


def run(args: argparse.Namespace) -> None:
    """Train, and write the tables into the model's folder."""
    from audiocodec.entropy.training import MOST_FRAMES, fit_tables  # torch takes seconds to load
    from audiocodec.models.bundle import load_codec

    folder = model_folder(args.model)
    if hub.cached_repository(folder.resolve()):
        raise ModelError(
            f"model {args.model!r} lies in the hub's cache, which is not ours to write to; make a "
            f"copy with codec model export {args.model} FOLDER and give that"
        )
    codec = load_codec(folder, runtime="torch")
    made_by = (codec.weight_hash, codec.codebook_sizes)
    paths = [path for given in args.inputs for _, path in found(given, CODE_SUFFIXES)]
    random.Random(0).shuffle(paths)
    sequences: list[np.ndarray] = []
    for path in paths:
        codes, metadata = read_codes(path)
        if (metadata.model_hash, metadata.codebook_sizes) != made_by:
            raise CodeFileError(f"{path}: not all stages of codes of {args.model}")
        sequences += list(codes.reshape(-1, *codes.shape[-2:]))
        if sum(codes.shape[-1] for codes in sequences) >= MOST_FRAMES:
            break
    vectors = [stage.double().cpu().numpy() for stage in codec.quantizer.vectors()]
    tables = fit_tables(sequences, vectors)
    write_tables(folder, tables)
    path = Path(folder) / TABLES_FILE
    report = {
        "tables": str(path),
        "name": tables.digest.hex(),
        "bytes": path.stat().st_size,
        "frames": sum(codes.shape[-1] for codes in sequences),
    }
    print_report(report, as_json=False)
