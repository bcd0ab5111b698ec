"""One evaluation, from two sides of audio to the files in OUT: what `codec evaluate` calls."""

import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audiocodec.audio import RESAMPLER
from audiocodec.environment import commit, environment
from audiocodec.evaluation.metrics import DEFAULT, files_of, select, with_installed
from audiocodec.evaluation.metrics.pitch import backend
from audiocodec.evaluation.pairs import pair_files
from audiocodec.evaluation.pool import Mapper, map_unordered
from audiocodec.evaluation.report import write_report
from audiocodec.evaluation.results import write_results
from audiocodec.evaluation.scoring import TIMEOUT, Row, Scoring, score_pairs
from audiocodec.files import sha256_of


@dataclass(frozen=True)
class EvaluateOptions:
    """What to measure and how to go about it."""

    metrics: Sequence[str] = DEFAULT
    metric_files: Mapping[str, str] = field(default_factory=dict)  # file key -> path
    jobs: int = 1
    timeout: float = TIMEOUT  # seconds for one pair
    report: bool = True  # write report.html
    progress: bool = False
    mapper: Mapper = map_unordered  # what runs the processes; pipeline.ray_score has another


@dataclass(frozen=True)
class Evaluation:
    """`absent`: the metrics that were asked for and lack a file."""

    summary: dict[str, Any]
    rows: list[Row]
    absent: list[str]


def evaluate(
    reference: str | Path,
    degraded: str | Path,
    output: str | Path,
    options: EvaluateOptions | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Score `degraded` against `reference` (see `pair_files`) and write all files to `output`.

    Args:
        facts: about the system, to be stamped: `name`, `bitrate` (bits/s), ...

    Raises:
        ConfigError: an unknown metric, or one whose local file cannot be used.
        DataError: a side is missing or empty, or `output` is in use.

    >>> from audiocodec import EvaluateOptions, evaluate
    >>> options = EvaluateOptions(metrics=["si_sdr"], report=False)
    >>> evaluation = evaluate("corpus", "corpus", "scores", options)
    >>> len(evaluation.rows), list(evaluation.summary["metrics"])
    (2, ['si_sdr'])
    """
    options, output = options or EvaluateOptions(), Path(output)
    files = with_installed(options.metric_files)
    metrics, absent = select(options.metrics, files)
    machine = environment()
    settings = _settings(files_of(metrics, files), metrics) | {"versions": machine["versions"]}
    scoring = Scoring(
        metrics, options.jobs, options.timeout, settings, options.progress, options.mapper
    )
    rows = score_pairs(pair_files(reference, degraded), scoring, output / "scores.jsonl")
    stamp = {
        **(facts or {}),
        "reference": str(reference),
        "degraded": str(degraded),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "commit": commit(),
        **machine,
        **settings,
    }
    summary = write_results(output, rows, list(metrics), stamp)
    if options.report:
        write_report([output], output / "report.html")
    return Evaluation(summary, rows, absent)


def _settings(files: Mapping[str, str], metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What changes a score beside the audio and the versions of libraries."""
    settings: dict[str, Any] = {
        "resampler": RESAMPLER,
        "rates": "PESQ-wb at 16 kHz, PESQ-nb at 8 kHz, pitch, harmonic_correlation and "
        "learned metrics at 16 kHz, the others at the reference's rate (STOI resamples to 10 kHz)",
        "clipping": "none before scoring",
    }
    if {"f0_rmse", "voicing_f1"} & metrics.keys():
        settings["pitch"] = backend()
    if files:
        settings["metric_files"] = {key: _named_digest(file) for key, file in files.items()}
    return settings


def _named_digest(file: str) -> str:
    path = Path(file) if Path(file).is_file() else Path(file.rpartition(":")[0])
    return f"{file} sha256 {sha256_of(path)[:16]}"
