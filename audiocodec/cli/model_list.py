"""`codec model list`: the models on this machine, by the names that --model takes."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audiocodec.cli.arguments import add_examples
from audiocodec.cli.output import print_json, print_report

if TYPE_CHECKING:
    from audiocodec.models.folders import Found


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec model list`."""
    parser.add_argument(
        "folders",
        nargs="*",
        type=Path,
        metavar="FOLDER",
        help="where else to look, at any depth, e.g. exp",
    )
    parser.add_argument("--json", action="store_true", help="print JSON: a list of models")
    add_examples(parser, "codec model list", "codec model list exp --json")


def run(args: argparse.Namespace) -> None:
    """Print what each model is; one that cannot be loaded says why."""
    from audiocodec.models.folders import found_models

    models = [_facts(found) for found in found_models(args.folders)]
    if args.json:
        print_json(models)
        return
    print_report({facts["name"]: _short(facts) for facts in models}, as_json=False)


def _facts(found: "Found") -> dict[str, Any]:
    from audiocodec.errors import CodecError
    from audiocodec.models.description import describe
    from audiocodec.pipeline.models import load_model

    facts: dict[str, Any] = {"name": found.name, "origin": found.origin}
    try:
        return facts | describe(load_model(found.folder, "cpu"), found.folder)
    except CodecError as error:
        return facts | {"folder": str(found.folder), "problem": str(error)}


def _short(facts: dict[str, Any]) -> dict[str, Any]:
    """A few lines for people; --json and `codec info` have the rest."""
    from audiocodec.models.description import latency_text

    where = {"where": f"{facts['folder']} ({facts['origin']})"}
    if "problem" in facts:
        return where | {"problem": facts["problem"]}
    rates = list(facts["bitrates"].values())
    return {
        "rate": f"{facts['sample_rate'] / 1000:g} kHz, {facts['frame_rate']:g} frames/s",
        "bitrates": f"{', '.join(f'{rate / 1000:g}' for rate in rates)} kbit/s",
        "latency": latency_text(facts["latency_ms"]),
        "size": f"{facts['file_bytes'] / 1e6:.1f} MB",
        "licence": facts["licence"] or "not stated",
        "data": facts["data"] or "not stated",
        **where,
    }
