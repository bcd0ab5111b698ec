"""`codec info`: what a model, a code file, a shard or an audio file is."""

import argparse
import contextlib
from pathlib import Path
from typing import Any

from audiocodec.audio import AUDIO_SUFFIXES, audio_info
from audiocodec.cli.arguments import add_examples, add_model_argument, add_truncated_argument
from audiocodec.cli.output import print_report
from audiocodec.codes import CODE_SUFFIXES, packed_layout, read_codes
from audiocodec.containers.shard_files import SHARD_SUFFIXES, open_shard
from audiocodec.entropy.model import EntropyTables
from audiocodec.files import archive_of
from audiocodec.models.folders import DEFAULT_MODEL, model_folder
from audiocodec.pipeline.models import load_model, load_tables
from audiocodec.soundfiles.sources import open_view


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec info`."""
    parser.add_argument(
        "subject",
        nargs="?",
        metavar="MODEL|CODES|AUDIO",
        help="a model's name or folder, a code file, a shard or an audio file (default: the "
        "shipped model)",
    )
    add_model_argument(parser)
    add_truncated_argument(parser)
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_examples(parser, "codec info", "codec info speech.npy --json")


def run(args: argparse.Namespace) -> None:
    """Describe one thing on stdout."""
    path = Path(args.subject or DEFAULT_MODEL)
    known = (*CODE_SUFFIXES, *SHARD_SUFFIXES, *AUDIO_SUFFIXES)
    if archive_of(path):
        report = _audio(path, args.allow_truncated)
    elif not path.is_file() and path.suffix.lower() not in known:
        report = _model(args.subject)
    elif path.suffix.lower() in CODE_SUFFIXES:
        report = _codes(path, load_tables(args.model))
    elif path.suffix.lower() in SHARD_SUFFIXES:
        report = _shard(path)
    else:
        report = _audio(path, args.allow_truncated)
    print_report(report, args.json)


def _model(name: str | None) -> dict[str, Any]:
    from audiocodec.models.description import describe

    folder = model_folder(name or DEFAULT_MODEL)
    codec = load_model(folder, "cpu")
    return {**describe(codec, folder), **codec.costs()}


def _codes(path: Path, tables: EntropyTables | None) -> dict[str, Any]:
    layout = packed_layout(path)
    digest = layout.digest if layout else None
    if layout and digest and not (tables and tables.digest == digest):
        shape, metadata = layout.shape, layout.metadata  # these codes cannot be decoded here
    else:
        codes, metadata = read_codes(path, tables)
        shape = codes.shape
    report = {
        "codes": str(path),
        "model": metadata.model,
        "model_hash": metadata.model_hash,
        "format_version": metadata.format_version,
        "shape": list(shape),
        "codebook_sizes": list(metadata.codebook_sizes),
        "sample_rate": metadata.sample_rate,
        "hop_length": metadata.hop_length,
        "num_samples": metadata.num_samples,
        "source": {
            "sample_rate": metadata.source_sample_rate,
            "num_samples": metadata.source_num_samples,
            "num_channels": metadata.source_channels,
        },
        "duration": metadata.duration,
        "nominal_bitrate": metadata.bitrate_of(shape),
        "file_bitrate": 8 * path.stat().st_size / metadata.duration,
    }
    if digest:
        report["entropy_tables"] = digest.hex()
    return report


def _shard(path: Path) -> dict[str, Any]:
    with contextlib.closing(open_shard(path)) as shard:
        metadata = shard.metadata
        num_samples = sum(row.num_samples for row in shard.rows)
        problems = [*(row.problem for row in shard.rows), shard.problem]
        report = {
            "shard": str(path),
            "model": metadata.model,
            "model_hash": metadata.model_hash,
            "utterances": len(shard.rows),
            "codebook_sizes": list(metadata.codebook_sizes),
            "sample_rate": metadata.sample_rate,
            "hop_length": metadata.hop_length,
            "num_samples": num_samples,
            "duration": num_samples / metadata.sample_rate,
            "nominal_bitrate": metadata.bitrate,
        }
        if any(problems):
            report["problems"] = [problem for problem in problems if problem]
        return report


def _audio(path: Path, allow_truncated: bool) -> dict[str, Any]:
    info = audio_info(path, allow_truncated=allow_truncated)
    duration = info.num_samples / info.sample_rate
    return {
        "audio": str(path),
        "sample_rate": info.sample_rate,
        "num_samples": info.num_samples,
        "num_channels": info.num_channels,
        "duration": duration,
        "file_bitrate": 8 * _size(path) / duration if duration else None,
    }


def _size(path: Path) -> int:
    """Bytes of a sound file."""
    with contextlib.closing(open_view(path)) as view:
        return view.size
