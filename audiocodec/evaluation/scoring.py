"""Scores of many pairs in parallel processes; every finished row is on disk at once.

`OUT/scores.jsonl` is a journal: a run that was killed goes on where it stopped, and a row whose
files or metrics have changed is scored anew. A worker that crashes costs one row.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.audio import read_waveform, resample
from audiocodec.errors import AudioError
from audiocodec.evaluation.metrics import METRICS, MetricFailure
from audiocodec.evaluation.pairs import PairOfFiles

Row = dict[str, Any]
LENGTH_TOLERANCE = 0.010  # seconds; more is flagged


def score_signals(
    reference: np.ndarray, degraded: np.ndarray, sample_rate: int, metrics: Sequence[str]
) -> tuple[dict[str, float], dict[str, str]]:
    """Scores of one pair (time,) and, for those that are not defined, the reasons."""
    scores, reasons = {}, {}
    for name in metrics:
        try:
            scores[name] = METRICS[name].function(reference, degraded, sample_rate)
        except MetricFailure as failure:
            reasons[name] = str(failure)
    return scores, reasons


def score_pair(pair: PairOfFiles, metrics: Sequence[str]) -> Row:
    """One row: id, speaker, seconds, scores, flags and the reason if it could not be scored."""
    row: Row = {"id": pair.id, "speaker": pair.speaker, "reason": pair.problem, "flags": ""}
    if pair.problem or pair.reference is None or pair.degraded is None:
        return row
    try:
        reference, degraded, rate, flags = _read(pair.reference, pair.degraded)
    except AudioError as error:
        return row | {"reason": str(error)}
    row |= {"reference_path": str(pair.reference), "degraded_path": str(pair.degraded)}
    scores, reasons = score_signals(reference, degraded, rate, metrics)
    row |= {"seconds": len(reference) / rate, **scores}
    row["length_difference"] = (len(degraded) - len(reference)) / rate
    if abs(row["length_difference"]) > LENGTH_TOLERANCE:
        flags.append("length differs")
    row["reason"] = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    row["flags"] = "; ".join(flags)
    return row


def _read(reference: Path, degraded: Path) -> tuple[np.ndarray, np.ndarray, int, list[str]]:
    from audiocodec.audio import audio_info

    infos = [audio_info(path) for path in (reference, degraded)]
    signals = [read_waveform(path)[0] for path in (reference, degraded)]
    rate, flags = infos[0].sample_rate, []
    if infos[1].sample_rate != rate:
        flags.append(f"degraded at {infos[1].sample_rate} Hz, resampled")
        signals[1] = resample(signals[1], infos[1].sample_rate, rate)
    if {info.num_channels for info in infos} != {1}:
        flags.append("channels averaged")
    return signals[0], signals[1], rate, flags


def score_pairs(
    pairs: Sequence[PairOfFiles],
    metrics: Sequence[str],
    journal: Path,
    jobs: int,
    progress: Callable[[int], object] = lambda count: None,
) -> list[Row]:
    """Rows of all pairs in their order; finished ones come from the journal."""
    done = _read_journal(journal)
    keys = {pair.id: _key(pair, metrics) for pair in pairs}
    todo = [pair for pair in pairs if keys[pair.id] not in done]
    progress(len(pairs) - len(todo))
    journal.parent.mkdir(parents=True, exist_ok=True)
    with open(journal, "a", encoding="utf-8") as file:
        for row in _score_all(todo, metrics, jobs):
            done[keys[row["id"]]] = row
            file.write(json.dumps({"key": keys[row["id"]], "row": row}) + "\n")
            file.flush()
            progress(1)
    return [done[keys[pair.id]] for pair in pairs]


def _score_all(todo: Sequence[PairOfFiles], metrics: Sequence[str], jobs: int) -> Iterator[Row]:
    if jobs <= 1:
        yield from (score_pair(pair, metrics) for pair in todo)
        return
    remaining = {pair.id: pair for pair in todo}
    try:
        for row in _in_pool(todo, metrics, jobs):
            del remaining[row["id"]]
            yield row
    except BrokenProcessPool:  # one of the running pairs killed its process; each gets its own now
        for pair in remaining.values():
            try:
                yield from _in_pool([pair], metrics, 1)
            except BrokenProcessPool:
                reason = "the scoring process crashed"
                yield {"id": pair.id, "speaker": pair.speaker, "reason": reason, "flags": ""}


def _in_pool(todo: Sequence[PairOfFiles], metrics: Sequence[str], jobs: int) -> Iterator[Row]:
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        pending: set[Future[Row]] = set()
        waiting = iter(todo)
        while True:
            while len(pending) < 2 * jobs and (pair := next(waiting, None)) is not None:
                pending.add(pool.submit(score_pair, pair, metrics))
            if not pending:
                return
            finished, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in finished)


def _key(pair: PairOfFiles, metrics: Sequence[str]) -> str:
    parts = [pair.id, pair.speaker, pair.problem, *metrics]
    for path in (pair.reference, pair.degraded):
        if path is not None and path.exists():
            status = path.stat()
            parts += [str(path.absolute()), str(status.st_size), str(status.st_mtime_ns)]
    return "\t".join(parts)


def _read_journal(journal: Path) -> dict[str, Row]:
    done: dict[str, Row] = {}
    if journal.exists():
        for line in journal.read_text(encoding="utf-8").splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:  # the line that was being written when the run died
                continue
            done[entry["key"]] = entry["row"]
    return done


def column(rows: Sequence[Row], name: str) -> np.ndarray:
    """The values of one metric, NaN where it is missing."""
    return np.array([row.get(name, math.nan) for row in rows], dtype=float)
