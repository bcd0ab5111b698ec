"""`codec model usage`: how much of its codebooks a model uses on some sets of speech."""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.cli.arguments import (
    add_examples,
    add_model_arguments,
    load_layers,
    positive,
)
from audiocodec.cli.output import print_report
from audiocodec.codes import CODE_SUFFIXES, read_codes
from audiocodec.entropy.model import EntropyTables
from audiocodec.errors import CodecError, ConfigError, PartialFailure
from audiocodec.files import atomic_path
from audiocodec.pipeline.models import load_tables
from audiocodec.pipeline.paths import found

if TYPE_CHECKING:
    from audiocodec.models.transcoder import Transcoder
    from audiocodec.quantization.usage import UsageCounter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec model usage`."""
    parser.add_argument(
        "sets",
        nargs="+",
        metavar="IN",
        help="data directory, folder, list (*.scp) or file of codes or of audio, each a set",
    )
    add_model_arguments(parser)
    parser.add_argument("--num-quantizers", type=positive, metavar="N", help="default: all")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of the model")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="write usage.json, usage.txt and usage.png there"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_examples(parser, "codec model usage --model exp/model data/valid data/train --output usage")


def run(args: argparse.Namespace) -> None:
    """Count each set and all together; print a table or JSON."""
    from audiocodec.models.transcoder import Transcoder
    from audiocodec.quantization.usage import UsageCounter, map_ranks, usage_report

    codec = load_layers(args)
    transcoder = Transcoder(codec)
    sizes = codec.codebook_sizes[: codec.resolve_num_quantizers(args.num_quantizers)]
    tables, failed = load_tables(args.model), 0
    total, counters = UsageCounter(sizes), {}
    names = [Path(given).name for given in args.sets]
    taken = [*names, "all"]
    for given, name in zip(args.sets, names, strict=True):
        counter = UsageCounter(sizes)
        with codec.threads(args.threads):
            failed += _count(given, transcoder, tables, counter)
        total.merge(counter)
        counters[name if taken.count(name) == 1 else str(Path(given).absolute())] = counter
    if len(counters) > 1:
        counters["all"] = total
    report: dict[str, Any] = {
        "model": codec.name,
        "hash": transcoder.model_hash,
        "sets": {name: usage_report(own, codec.frame_rate) for name, own in counters.items()},
        "ranks": map_ranks(codec.quantizer),
    }
    table = _table(report)
    if args.output is not None:
        _write(args.output, report, table, counters)
    if args.json:
        print_report(report, True)
    else:
        print(table)
    if failed:
        raise PartialFailure(f"{failed} files failed; the others are counted")


def _count(
    given: str, transcoder: "Transcoder", tables: EntropyTables | None, counter: "UsageCounter"
) -> int:
    """Count the codes of one set; returns how many of its files failed, reported on stderr."""
    import torch

    failed = 0
    paths = list(_files(given))
    if not paths:
        raise ConfigError(f"{given}: neither code files nor audio there")
    for path in paths:
        try:
            codes = _codes(path, transcoder, tables, len(counter.counts))
        except CodecError as error:
            print(f"codec: error: {error}", file=sys.stderr)
            failed += 1
        else:
            stacks = codes.reshape(-1, *codes.shape[-2:]).astype("int64")
            counter.update(torch.from_numpy(stacks))
    return failed


def _codes(
    path: Path, transcoder: "Transcoder", tables: EntropyTables | None, stages: int
) -> np.ndarray:
    if path.suffix.lower() not in CODE_SUFFIXES:
        return transcoder.encode([transcoder.read(path)], stages)[0].codes
    coded = read_codes(path, tables)
    transcoder.check(coded.metadata, str(path))
    return coded.codes


def _files(given: str) -> Iterator[Path]:
    if (Path(given) / "wav.scp").is_file():
        given = str(Path(given) / "wav.scp")
    codes = [path for _, path in found(given, CODE_SUFFIXES)]
    yield from codes or [path for _, path in found(given, AUDIO_SUFFIXES)]


def _table(report: dict[str, Any]) -> str:
    lines = [f"{report['model']} ({report['hash']})"]
    for name, usage in report["sets"].items():
        lines += [
            "",
            f"{name}: {usage['frames']:,} frames, {usage['nominal_bitrate'] / 1000:.3f} kbit/s "
            f"nominal, {usage['entropy_bitrate'] / 1000:.3f} kbit/s of entropy",
            "stage     codes      used    used %  possible %      dead  entropy  perplexity  rank",
        ]
        for index, stage in enumerate(usage["stages"]):
            ranks = report["ranks"]
            rank = f"{ranks[index]['effective']:.1f}" if index < len(ranks) else "-"
            lines.append(
                f"{index + 1:5} {stage['codebook_size']:9,} {stage['used']:9,} "
                f"{100 * stage['share']:9.2f} {100 * stage['reachable']:11.2f} {stage['dead']:9,} "
                f"{stage['entropy']:8.3f} {stage['perplexity']:11,.1f} {rank:>5}"
            )
    return "\n".join(lines)


def _write(
    folder: Path, report: dict[str, Any], table: str, counters: "dict[str, UsageCounter]"
) -> None:
    from audiocodec.evaluation.usage_figure import draw_usage

    with atomic_path(folder / "usage.json") as temporary:
        temporary.write_text(json.dumps(report, indent=2, ensure_ascii=False), encoding="utf-8")
    with atomic_path(folder / "usage.txt") as temporary:
        temporary.write_text(table + "\n", encoding="utf-8")
    counts = {name: [row.numpy() for row in own.counts] for name, own in counters.items()}
    draw_usage(folder / "usage.png", counts, f"{report['model']} ({report['hash']})")
