"""Work in processes that may crash or hang: each time it costs one item, not the run."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, TimeoutError, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Protocol, TypeVar

from audiocodec.errors import CodecError
from audiocodec.extras import extra

with extra("eval"):
    from pebble import ProcessExpired, ProcessPool
    from threadpoolctl import threadpool_limits

Item = TypeVar("Item")
Result = TypeVar("Result")
_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"


class WorkerFailure(Exception):
    """A process that crashed or hung while it worked on an item."""


class Mapper(Protocol):
    """What does as `map_unordered` does, here or on other machines."""

    def __call__(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        jobs: int,
        timeout: float,
        preload: str,
    ) -> Iterator[tuple[Item, Result | WorkerFailure]]: ...


def map_unordered(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int,
    timeout: float,
    preload: str,
) -> Iterator[tuple[Item, Result | WorkerFailure]]:
    """Each item with the result of `function`, or how that failed, as they come.

    Args:
        jobs: processes.
        timeout: seconds for one item.
        preload: the module to import before processes are made, so that each starts at once.

    Raises:
        CodecError: processes do not start; or what `function` raises.
    """
    waiting = iter(items)
    while True:
        given: dict[Future[Result], Item] = {}
        done = 0
        try:
            for item, outcome in _run(function, waiting, jobs, timeout, preload, given):
                done += 1
                yield item, outcome
            return
        except BrokenProcessPool:  # not by an item: an idle process was killed, or none starts
            if not done:
                raise CodecError(
                    "the scoring processes do not start or are killed at once; in a script, call "
                    "this below `if __name__ == '__main__':`, since processes import the script"
                ) from None
            waiting = chain(given.values(), waiting)


def _run(
    function: Callable[[Item], Result],
    waiting: Iterator[Item],
    jobs: int,
    timeout: float,
    preload: str,
    given: dict[Future[Result], Item],
) -> Iterator[tuple[Item, Result | WorkerFailure]]:
    """`map_unordered` by one pool; `given` are the items that it was given and has not returned."""
    context = multiprocessing.get_context(_METHOD)
    if _METHOD == "forkserver":
        context.set_forkserver_preload([preload])
    # One thread each for linear algebra: more would fight over the cores.
    pool = ProcessPool(jobs, context=context, initializer=threadpool_limits, initargs=[1])
    try:
        while True:
            for item in islice(waiting, 2 * jobs - len(given)):
                given[pool.schedule(function, args=[item], timeout=timeout)] = item
            if not given:
                return
            finished: set[Future[Result]] = wait(given, return_when=FIRST_COMPLETED).done
            for future in finished:
                outcome = _outcome(future, timeout)
                yield given.pop(future), outcome
    finally:
        pool.stop()
        pool.join()


def _outcome(future: Future[Result], timeout: float) -> Result | WorkerFailure:
    try:
        return future.result()
    except TimeoutError:
        return WorkerFailure(f"took longer than {timeout:g} s")
    except ProcessExpired as error:
        return WorkerFailure(f"crashed its process (exit code {error.exitcode})")
