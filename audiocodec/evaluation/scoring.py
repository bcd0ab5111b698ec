"""Scores of many pairs in parallel processes; every finished row is on disk at once.

`OUT/scores.jsonl` is a journal: an interrupted run continues where it stopped, and a row whose
files, metrics or libraries have changed is scored anew. A process that crashes or hangs costs one
row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from audiocodec.audio import read_audio, resample
from audiocodec.data.segments import read_span
from audiocodec.errors import AudioError, CodecError
from audiocodec.evaluation.metrics import Metric, MetricFailure, select
from audiocodec.evaluation.pairs import PairOfFiles
from audiocodec.evaluation.pool import Mapper, WorkerFailure, map_unordered
from audiocodec.evaluation.signals import is_narrowband
from audiocodec.journal import Journal, key_of

Row = dict[str, Any]
Metrics = Mapping[str, Metric]
LENGTH_TOLERANCE = 0.010  # seconds; more is flagged
TIMEOUT = 600.0  # seconds for one pair


@dataclass(frozen=True)
class Scoring:
    """How pairs are scored: none of it changes a score but the metrics and `settings`."""

    metrics: Metrics
    jobs: int = 1  # processes
    timeout: float = TIMEOUT  # seconds for one pair
    settings: Mapping[str, Any] = field(default_factory=dict)  # rows of others are scored anew
    progress: bool = False
    mapper: Mapper = map_unordered  # what runs the processes


def score_signals(
    reference: np.ndarray, degraded: np.ndarray, sample_rate: int, metrics: Metrics | Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Scores of one pair (time,) and, for those that are not defined, the reasons.

    Raises:
        ConfigError: an unknown metric, or one whose local file cannot be used.
    """
    for signal in (reference, degraded):
        if signal.ndim != 1:
            raise ValueError(f"a signal has shape {signal.shape}; give one channel (time,)")
    table = metrics if isinstance(metrics, Mapping) else select(metrics)[0]
    scores, reasons = {}, {}
    for name, metric in table.items():
        try:
            scores[name] = metric.function(reference, degraded, sample_rate)
        except MetricFailure as failure:
            reasons[name] = str(failure)
        except CodecError:
            raise
        except Exception as error:  # a library's own trouble is a reason, too
            reasons[name] = f"{type(error).__name__}: {error}"
    return scores, reasons


def score_pair(pair: PairOfFiles, metrics: Metrics) -> Row:
    """One row: id, speaker, seconds, scores, flags and the reasons for what has no score."""
    row = _row(pair, pair.problem)
    if pair.problem or pair.reference is None or pair.degraded is None:
        return row
    try:
        reference, degraded, rate, flags = _read(pair)
        if "pesq_wb" in metrics and is_narrowband(reference, rate):
            flags.append("reference holds nothing above 4 kHz: pesq_wb says little, see pesq_nb")
    except AudioError as error:
        return row | {"reason": str(error)}
    scores, reasons = score_signals(reference, degraded, rate, metrics)
    row |= {"seconds": len(reference) / rate, **scores}
    row["length_difference"] = (len(degraded) - len(reference)) / rate
    if abs(row["length_difference"]) > LENGTH_TOLERANCE:
        flags.append("length differs")
    row["reason"] = "; ".join(_by_reason(reasons))
    row["flags"] = "; ".join(([pair.flag] if pair.flag else []) + flags)
    return row


def _row(pair: PairOfFiles, reason: str) -> Row:
    paths = {"reference_path": pair.reference, "degraded_path": pair.degraded}
    known = {name: str(path) for name, path in paths.items() if path is not None}
    return {"id": pair.id, "speaker": pair.speaker, "reason": reason, "flags": pair.flag, **known}


def _by_reason(reasons: Mapping[str, str]) -> list[str]:
    """'silent: stoi, snr' rather than the same reason once a metric."""
    names: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        names.setdefault(reason, []).append(name)
    return [f"{reason} ({', '.join(metrics)})" for reason, metrics in names.items()]


def _read(pair: PairOfFiles) -> tuple[np.ndarray, np.ndarray, int, list[str]]:
    assert pair.reference is not None and pair.degraded is not None
    sides = ((pair.reference, pair.reference_span), (pair.degraded, pair.degraded_span))
    audios = [read_span(path, span) if span else read_audio(path) for path, span in sides]
    infos = [audio.info for audio in audios]
    signals = [audio.waveform[0] for audio in audios]
    rate, flags = infos[0].sample_rate, []
    if infos[1].sample_rate != rate:
        flags.append(f"degraded at {infos[1].sample_rate} Hz, resampled")
        signals[1] = resample(signals[1], infos[1].sample_rate, rate)
    if {info.num_channels for info in infos} != {1}:
        flags.append("channels averaged")
    for side, audio in zip(("reference", "degraded"), audios, strict=True):
        if audio.channel_fault:
            flags.append(f"channels of the {side} cancel one another")
    return signals[0], signals[1], rate, flags


def score_pairs(pairs: Sequence[PairOfFiles], scoring: Scoring, journal: Path) -> list[Row]:
    """Rows of all pairs in their order; finished ones come from the journal.

    Raises:
        ConfigError: a metric's local file cannot be used.
        DataError: another process writes this journal.
    """
    settings = repr((sorted(scoring.metrics), sorted(scoring.settings.items())))
    keys = [_key(settings, pair) for pair in pairs]
    with Journal(journal) as done:
        todo = [(key, pair) for key, pair in zip(keys, pairs, strict=True) if key not in done]
        work = partial(_score_keyed, metrics=scoring.metrics)
        results = scoring.mapper(work, todo, scoring.jobs, scoring.timeout, preload=__name__)
        for (key, pair), row in tqdm(
            results if todo else (),
            desc="scoring",
            unit="pair",
            total=len(pairs),
            initial=len(pairs) - len(todo),
            leave=False,
            disable=not scoring.progress,
        ):
            done.add(key, _row(pair, str(row)) if isinstance(row, WorkerFailure) else row)
        return [done[key] for key in keys]


def _key(settings: str, pair: PairOfFiles) -> str:
    spans = [span for span in (pair.reference_span, pair.degraded_span) if span]
    facts = (pair.id, pair.speaker, pair.problem, pair.reference, pair.degraded, *map(str, spans))
    return key_of(settings, *facts)


def _score_keyed(keyed_pair: tuple[str, PairOfFiles], metrics: Metrics) -> Row:
    return score_pair(keyed_pair[1], metrics)
