"""Run a pipeline over many files: read ahead, compute, write behind; a failure stops nothing else.

All three steps run in threads: the disk, the decoder of an audio file, the resampler and the layers
of a model do not hold Python's lock.
"""

import contextlib
import json
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Generic, TypeAlias, TypeVar

from audiocodec.errors import CodecError
from audiocodec.files import atomic_path
from audiocodec.pipeline.options import BatchOptions
from audiocodec.pipeline.paths import Item, Plan
from audiocodec.pipeline.progress import Outcomes, Progress, Summary

Loaded = TypeVar("Loaded")
Result = TypeVar("Result")
Computed: TypeAlias = tuple[Item, float, Result | Exception]  # with the seconds of audio
_SORTED_TOGETHER = 8  # batches' worth of files that are read before they are sorted by length


@dataclass(frozen=True)
class Pipeline(Generic[Loaded, Result]):
    """What is done to every file, in three steps."""

    load: Callable[[Item], Loaded]
    compute: Callable[[Sequence[Loaded]], Sequence[Result]]
    save: Callable[[Item, Result], None]
    seconds: Callable[[Loaded], float]  # of audio
    stop: Callable[[], None] = lambda: None  # makes steps that run for minutes give up
    nominal_bits: Callable[[Result], float] = lambda _: 0.0  # of code files, to compare theirs with


def run(
    plan: Plan,
    pipeline: Pipeline[Loaded, Result],
    options: BatchOptions,
    batch_seconds: float = 0,
    workers: int = 1,
) -> Summary:
    """Do all of `plan`.

    Args:
        batch_seconds: audio to compute in one batch; 0 is one file.
        workers: batches to compute at once.

    Raises:
        CodecError: the only file failed.
        PartialFailure: some of several failed; each has been reported on stderr.
    """
    todo = [
        item
        for item in plan.items
        if item.problem or not (options.skip_existing and os.path.lexists(item.target))
    ]
    with stoppable():
        if plan.single:
            outcomes: Outcomes = {}
            seconds = 0.0
            for item in todo:
                loaded = pipeline.load(item)
                seconds = pipeline.seconds(loaded)
                pipeline.save(item, pipeline.compute([loaded])[0])
                outcomes[item] = {"status": "done", "seconds": seconds}
            write_manifest(options.manifest, plan.items, outcomes)
            return Summary(1, len(todo), 1 - len(todo), seconds)
        progress = Progress(len(plan.items), len(plan.items) - len(todo), options.report)
        try:
            run_items(todo, pipeline, options, progress, batch_seconds, workers)
        finally:
            if plan.list_path is not None:
                write_list(plan)
            write_manifest(options.manifest, plan.items, progress.outcomes)
        return progress.finish()


def run_items(
    items: Sequence[Item],
    pipeline: Pipeline[Loaded, Result],
    options: BatchOptions,
    progress: Progress,
    batch_seconds: float = 0,
    workers: int = 1,
) -> None:
    """Do `items` and tell `progress` of each."""
    _Run(pipeline, progress, options.jobs, workers).all(items, batch_seconds)


class _Run(Generic[Loaded, Result]):
    """What is under way of a pipeline over many files."""

    def __init__(
        self, pipeline: Pipeline[Loaded, Result], progress: Progress, jobs: int, workers: int
    ) -> None:
        self.pipeline, self.progress, self.jobs, self.workers = pipeline, progress, jobs, workers
        self.computing: set[Future[list[Computed[Result]]]] = set()
        self.saving: deque[tuple[Item, float, float, Future[None]]] = deque()

    def all(self, items: Sequence[Item], batch_seconds: float) -> None:
        """Load, compute and save all `items`."""
        with contextlib.ExitStack() as stack:
            files = stack.enter_context(ThreadPoolExecutor(self.jobs))
            models = stack.enter_context(ThreadPoolExecutor(self.workers))
            try:
                loaded = _load_ahead(items, self.pipeline, self.progress, files, self.jobs)
                seconds = self.pipeline.seconds
                for batch in _batches(loaded, seconds, batch_seconds, self.workers):
                    self.computing.add(models.submit(_compute, batch, self.pipeline))
                    self._save_computed(files, at_most=self.workers)
                self._save_computed(files, at_most=0)
                self._finish_saving(at_most=0)
            except BaseException:  # Ctrl-C, SIGTERM, or our own mistake: leave soon
                self.pipeline.stop()
                for pool in (files, models):
                    pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _save_computed(self, files: ThreadPoolExecutor, at_most: int) -> None:
        """Wait until no more than `at_most` batches are computed; save the others."""
        while len(self.computing) > at_most:
            done, self.computing = wait(self.computing, return_when=FIRST_COMPLETED)
            for item, seconds, result in (row for future in done for row in future.result()):
                if isinstance(result, Exception):
                    self.progress.fail(item, result)
                else:
                    saved = files.submit(self.pipeline.save, item, result)
                    bits = self.pipeline.nominal_bits(result)
                    self.saving.append((item, seconds, bits, saved))
            self._finish_saving(at_most=2 * self.jobs)

    def _finish_saving(self, at_most: int) -> None:
        while len(self.saving) > at_most:
            item, seconds, bits, future = self.saving.popleft()
            if (error := future.exception()) is not None:
                self.progress.fail(item, error)
            else:
                self.progress.add(seconds, item, bits)


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
    workers: int,
) -> Iterator[list[tuple[Item, Loaded]]]:
    """Groups of similar length that stay below `batch_seconds` when padded to their longest.

    The long ones come first, and few files are divided among all `workers`, into more than one
    batch for each: the last to finish should not be late by much.
    """
    buffer: list[tuple[Item, Loaded]] = []
    total = 0.0

    def cut() -> Iterator[list[tuple[Item, Loaded]]]:
        buffer.sort(key=lambda pair: seconds(pair[1]), reverse=True)
        most = batch_seconds if workers == 1 else min(batch_seconds, total / (4 * workers))
        batch: list[tuple[Item, Loaded]] = []
        for pair in buffer:
            if batch and (len(batch) + 1) * seconds(batch[0][1]) > most:
                yield batch
                batch = []
            batch.append(pair)
        if batch:
            yield batch

    for pair in loaded:
        buffer.append(pair)
        total += seconds(pair[1])
        if total >= max(_SORTED_TOGETHER, 2 * workers) * batch_seconds:
            yield from cut()
            buffer, total = [], 0.0
    yield from cut()


def _compute(
    batch: Sequence[tuple[Item, Loaded]], pipeline: Pipeline[Loaded, Result]
) -> "list[Computed[Result]]":
    """Results of a batch; if it fails, of its members one by one."""
    try:
        results = pipeline.compute([loaded for _, loaded in batch])
    except Exception as error:
        if len(batch) == 1:
            (item, loaded) = batch[0]
            return [(item, pipeline.seconds(loaded), error)]
        return [row for pair in batch for row in _compute([pair], pipeline)]
    return [
        (item, pipeline.seconds(loaded), result)
        for (item, loaded), result in zip(batch, results, strict=True)
    ]


def write_list(plan: Plan) -> bool:
    """Write the `*.scp` list of the outputs that exist; whether it was another one before."""
    assert plan.list_path is not None
    made = [item for item in plan.items if not item.problem and os.path.isfile(item.target)]
    text = "".join(f"{item.name} {item.target}\n" for item in made)
    content = text.encode("utf-8", "surrogateescape")
    if plan.list_path.is_file() and plan.list_path.read_bytes() == content:
        return False
    with atomic_path(plan.list_path) as temporary:
        temporary.write_bytes(content)
    return True


def write_manifest(path: Path | None, items: Iterable[Item], outcomes: Outcomes) -> None:
    """A JSON line for each input, if there is a path for them: what became of it."""
    if path is None:
        return
    lines = []
    for item in items:
        names = {"id": item.name, "source": item.where, "output": str(item.target)}
        there = "there" if os.path.isfile(item.target) else "missing"
        lines.append(names | outcomes.get(item, {"status": there}))
    with atomic_path(path) as temporary:
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        # What is no text in a name is an escape in JSON, from which os.fsencode gives it again.
        temporary.write_bytes(text.encode("utf-8", "backslashreplace"))


def names_of_manifest(content: bytes) -> list[str]:
    """The ids of what `write_manifest` wrote."""
    return [json.loads(line)["id"] for line in content.splitlines()]


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
