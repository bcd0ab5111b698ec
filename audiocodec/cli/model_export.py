"""`codec model export`: a model folder to release, from a run, a checkpoint or another model."""

import argparse
from pathlib import Path

from audiocodec.cli.arguments import add_examples


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec model export`."""
    parser.add_argument(
        "source", metavar="EXP", help="run (its best model), checkpoint or model folder, or a name"
    )
    parser.add_argument("output", type=Path, metavar="OUT", help="model folder to write")
    parser.add_argument(
        "--half", action="store_true", help="16-bit weights: half the size, another model hash"
    )
    parser.add_argument(
        "--discriminators",
        action="store_true",
        help="add what `codec train --init-from OUT` tunes best with; from a checkpoint only",
    )
    parser.add_argument(
        "--onnx",
        action="store_true",
        help="add graphs: they run without PyTorch, in a browser and on phones, with equal codes",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="A.B=C",
        help="in a copy, change the codec's configuration where it has no weights, e.g. "
        "decoder.head.noise_gain=0.7; may be repeated",
    )
    add_examples(
        parser,
        "codec model export exp/ my_codec --half --onnx",
        "codec model export my_codec my_codec --onnx",
    )


def run(args: argparse.Namespace) -> None:
    """Write the folder and print what is in it."""
    from audiocodec.models.bundle import load_codec
    from audiocodec.training.export import export_model

    source = Path(args.source) / "model"
    export_model(
        source if source.is_dir() else args.source,
        args.output,
        args.half,
        args.discriminators,
        args.onnx,
        args.set,
    )
    codec = load_codec(args.output, runtime="torch")
    megabytes = sum(path.stat().st_size for path in args.output.iterdir()) / 1e6
    print(f"{args.output}: {megabytes:.2f} MB, model hash {codec.weight_hash}")
