"""`codec model import`: a published SimVQ checkpoint as a model folder."""

import argparse
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.cli.arguments import add_examples
from audiocodec.cli.output import print_json

if TYPE_CHECKING:
    from audiocodec.models.config import CodecConfig
    from audiocodec.models.importer import Imported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec model import`."""
    parser.add_argument(
        "checkpoint", metavar="CKPT", help="Lightning checkpoint of youngsheen/SimVQ"
    )
    parser.add_argument("output", type=Path, metavar="OUT", help="model folder to write")
    parser.add_argument(
        "--config",
        required=True,
        metavar="YAML",
        help="its architecture: egs/libritts/conf/simvq_paper_{4k,8k,65k,262k}.yaml",
    )
    parser.add_argument(
        "--half", action="store_true", help="16-bit weights: half the size, another model hash"
    )
    parser.add_argument(
        "--json", action="store_true", help="print what became of every tensor as JSON"
    )
    add_examples(parser, "codec model import simvq_4k.ckpt simvq_4k --config simvq_paper_4k.yaml")


def run(args: argparse.Namespace) -> None:
    """Import, write and say what was used."""
    from audiocodec.models.bundle import load_codec, save_codec
    from audiocodec.models.folders import require_free
    from audiocodec.models.importer import import_checkpoint

    require_free(args.output)
    imported = import_checkpoint(args.checkpoint, _config(args.config), args.output.name)
    save_codec(imported.codec, args.output, args.half)
    if args.json:
        names = {
            "used": imported.used,
            "replaced_by_average": imported.replaced,
            "ignored": imported.ignored,
        }
        print_json(names)
    else:
        print(_summary(imported))
        print(f"{args.output}: model hash {load_codec(args.output, runtime='torch').weight_hash}")


def _config(path: str) -> "CodecConfig":
    """The codec of an experiment's configuration, or of a model's `config.yaml`."""
    from audiocodec.config import load_config, read_yaml
    from audiocodec.models.config import CodecConfig
    from audiocodec.training.config import TrainConfig

    if "codec" in read_yaml(path):
        return load_config(TrainConfig, path).codec
    return load_config(CodecConfig, path)


def _summary(imported: "Imported") -> str:
    lines = []
    for what, names in (
        ("used", list(imported.used)),
        ("replaced by its average", list(imported.replaced)),
        ("ignored", list(imported.ignored)),
    ):
        for part, count in Counter(map(_part, names)).items():
            lines.append(f"{what:24} {part:24} {count:5} tensors")
    return "\n".join(lines)


def _part(name: str) -> str:
    """The part of the network that a tensor of the checkpoint belongs to."""
    first, _, rest = name.partition(".")
    parts = ("encoder", "quantize", "backbone", "head", "decoder", "loss")
    if first != "model_ema":
        return first
    return "model_ema: " + next((part for part in parts if rest.startswith(part)), rest)
