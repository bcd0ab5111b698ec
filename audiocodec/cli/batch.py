"""Run a pipeline over many files: read ahead, compute, write behind; a failure stops nothing else.

`load` and `save` run in threads (they wait for the disk, the decoder of the audio file and the
resampler, none of which holds Python's lock), `compute` in the calling thread.
"""

import argparse
import contextlib
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import FrameType
from typing import Generic, TypeVar

from audiocodec.cli.paths import Item, Plan
from audiocodec.cli.progress import Progress
from audiocodec.errors import CodecError
from audiocodec.files import atomic_path

Loaded = TypeVar("Loaded")
Result = TypeVar("Result")
_SORTED_TOGETHER = 8  # batches' worth of files that are read before they are sorted by length


@dataclass(frozen=True)
class Pipeline(Generic[Loaded, Result]):
    """What is done to every file, in three steps."""

    load: Callable[[Item], Loaded]
    compute: Callable[[Sequence[Loaded]], Sequence[Result]]
    save: Callable[[Item, Result], None]
    seconds: Callable[[Loaded], float]  # of audio


def run(
    plan: Plan,
    pipeline: Pipeline[Loaded, Result],
    args: argparse.Namespace,
    batch_seconds: float = 0,
) -> None:
    """Do all of `plan` as `args` (of `arguments.add_path_arguments`) say.

    Args:
        batch_seconds: audio to compute at once; 0 is one file.

    Raises:
        CodecError: the only file failed.
        PartialFailure: some of several failed; each has been reported on stderr.
    """
    todo = [item for item in plan.items if not (args.skip_existing and item.target.exists())]
    with stoppable():
        if plan.single:
            for item in todo:
                pipeline.save(item, pipeline.compute([pipeline.load(item)])[0])
            return
        progress = Progress(len(plan.items), len(plan.items) - len(todo))
        try:
            _run_many(todo, pipeline, progress, batch_seconds, args.jobs)
        finally:
            if plan.list_path is not None:
                _write_list(plan)
        progress.finish()


def _run_many(
    items: Sequence[Item],
    pipeline: Pipeline[Loaded, Result],
    progress: Progress,
    batch_seconds: float,
    jobs: int,
) -> None:
    saving: deque[tuple[Item, float, Future[None]]] = deque()

    def finish_saving(at_most: int) -> None:
        while len(saving) > at_most:
            item, seconds, future = saving.popleft()
            if (error := future.exception()) is not None:
                progress.fail(item, error)
            else:
                progress.add(seconds)

    pool = ThreadPoolExecutor(jobs)
    try:
        loaded = _load_ahead(items, pipeline, progress, pool, jobs)
        for batch in _batches(loaded, pipeline.seconds, batch_seconds):
            for item, seconds, result in _compute(batch, pipeline, progress):
                saving.append((item, seconds, pool.submit(pipeline.save, item, result)))
            finish_saving(2 * jobs)
        finish_saving(0)
    finally:
        pool.shutdown(cancel_futures=True)


def _load_ahead(
    items: Iterable[Item],
    pipeline: Pipeline[Loaded, Result],
    progress: Progress,
    pool: ThreadPoolExecutor,
    jobs: int,
) -> Iterator[tuple[Item, Loaded]]:
    def load(item: Item) -> Loaded:
        if item.problem is not None:
            raise CodecError(item.problem)
        return pipeline.load(item)

    waiting: deque[tuple[Item, Future[Loaded]]] = deque()
    iterator = iter(items)
    while True:
        while len(waiting) <= jobs and (item := next(iterator, None)) is not None:
            waiting.append((item, pool.submit(load, item)))
        if not waiting:
            return
        item, future = waiting.popleft()
        if (error := future.exception()) is not None:
            progress.fail(item, error)
        else:
            yield item, future.result()


def _batches(
    loaded: Iterable[tuple[Item, Loaded]],
    seconds: Callable[[Loaded], float],
    batch_seconds: float,
) -> Iterator[list[tuple[Item, Loaded]]]:
    """Groups of similar length that stay below `batch_seconds` when padded to their longest."""
    buffer: list[tuple[Item, Loaded]] = []
    total = 0.0

    def cut() -> Iterator[list[tuple[Item, Loaded]]]:
        buffer.sort(key=lambda pair: seconds(pair[1]))
        batch: list[tuple[Item, Loaded]] = []
        for pair in buffer:
            if batch and (len(batch) + 1) * seconds(pair[1]) > batch_seconds:
                yield batch
                batch = []
            batch.append(pair)
        if batch:
            yield batch

    for pair in loaded:
        buffer.append(pair)
        total += seconds(pair[1])
        if total >= _SORTED_TOGETHER * batch_seconds:
            yield from cut()
            buffer, total = [], 0.0
    yield from cut()


def _compute(
    batch: Sequence[tuple[Item, Loaded]], pipeline: Pipeline[Loaded, Result], progress: Progress
) -> Iterator[tuple[Item, float, Result]]:
    """Results of a batch; if it fails, of its members one by one."""
    try:
        results = pipeline.compute([loaded for _, loaded in batch])
    except Exception as error:
        if len(batch) == 1:
            progress.fail(batch[0][0], error)
            return
        for pair in batch:
            yield from _compute([pair], pipeline, progress)
        return
    for (item, loaded), result in zip(batch, results, strict=True):
        yield item, pipeline.seconds(loaded), result


def _write_list(plan: Plan) -> None:
    """The `*.scp` list of the outputs that exist."""
    assert plan.list_path is not None
    lines = [f"{item.name} {item.target}\n" for item in plan.items if item.target.is_file()]
    with atomic_path(plan.list_path) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Let SIGTERM unwind the stack as Ctrl-C does, so that temporary files are removed."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():  # only that one may ask for it
        yield
        return
    former = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)
