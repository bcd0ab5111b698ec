"""Results of processes that read ahead, in order; no wait outlives a process or a wish to stop.

What they read comes through pipes. torch's own loader sends it through /dev/shm, which is small in
containers: when it is full, a reader drops its batch in silence, and training waits for ever.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Generic, TypeVar

from audiocodec.environment import STOP_SIGNALS
from audiocodec.errors import CodecError, DataError

Result = TypeVar("Result")
_LOOK = 0.5  # seconds between looks at whether to stop
_PATIENCE = 5.0  # seconds that a stopping run waits for a batch that may be on its way

_function: Callable[[int], Any]  # of a reading process


class StoppedWaiting(CodecError):
    """The run was asked to stop while no batch came."""


class Readers(Generic[Result]):
    """Iterates over function(0) ... function(count - 1), called in `processes`.

    Args:
        stopping: whether the run was asked to stop.

    Raises:
        DataError: a process died; or what `function` raises.
        StoppedWaiting: `stopping` is true, and no result comes.
        CodecError: processes cannot be started.
    """

    def __init__(
        self,
        function: Callable[[int], Result],
        count: int,
        processes: int,
        stopping: Callable[[], bool],
    ) -> None:
        self.function, self.count = function, count
        self.processes, self.stopping = processes, stopping

    def __iter__(self) -> Iterator[Result]:
        before = set(multiprocessing.active_children())
        pool = self._start()
        try:
            ahead: deque[Future[Result]] = deque()
            following = iter(range(self.count))
            while True:
                while (
                    len(ahead) <= 2 * self.processes and (item := next(following, None)) is not None
                ):
                    ahead.append(pool.submit(_call, item))
                if not ahead:
                    return
                yield self._wait_for(ahead.popleft())
        except BrokenProcessPool:
            raise DataError(
                "a process that reads audio was killed, perhaps because memory ran out; train with "
                "fewer --jobs, or with --jobs 0 to read in the training process"
            ) from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in set(multiprocessing.active_children()) - before:
                process.kill()  # one that hangs in a read would keep the run from ending

    def _start(self) -> ProcessPoolExecutor:
        try:
            return ProcessPoolExecutor(
                self.processes, initializer=_set_up, initargs=(self.function, os.getpid())
            )
        except OSError as error:
            raise CodecError(
                f"processes that read audio cannot be started: {error.strerror or error}; give "
                "--jobs 0 to read in the training process"
            ) from error

    def _wait_for(self, future: "Future[Result]") -> Result:
        asked: float | None = None  # when the wish to stop was seen
        while True:
            try:
                return future.result(timeout=_LOOK)
            except (TimeoutError, futures.TimeoutError):  # two classes until Python 3.11
                if future.done():
                    raise  # the function's own
            if asked is None and self.stopping():
                asked = time.monotonic()
            if asked is not None and time.monotonic() - asked > _PATIENCE:
                raise StoppedWaiting(
                    "asked to stop while the processes that read audio gave nothing"
                )


def _set_up(function: Callable[[int], Any], parent: int) -> None:
    global _function
    _function = function
    # What stops a run often goes to all its processes, and it needs its readers until it has saved.
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=[parent], daemon=True).start()


def _end_with(parent: int) -> None:
    """A run that was killed has told its readers nothing; each system shows it in its own way."""
    owner = multiprocessing.parent_process()
    while os.getppid() == parent and (owner is None or owner.is_alive()):
        time.sleep(2)
    os._exit(1)


def _call(item: int) -> Any:
    return _function(item)
