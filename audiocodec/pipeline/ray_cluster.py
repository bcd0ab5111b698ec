"""Work on a Ray cluster: one that exists, or one that is started here for the run (an extra)."""

import contextlib
import logging
import os
import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from audiocodec.environment import available_cores
from audiocodec.errors import CodecError, ConfigError, one_line
from audiocodec.extras import extra

_ATTEMPTS = 3  # to start a cluster: Ray gives up after 30 s, which busy machines exceed
_STORE_BYTES = 200 << 20  # what goes through Ray are plans and rows, never audio


@contextlib.contextmanager
def cluster(address: str | None, cpus: int) -> Iterator[Any]:
    """The module `ray`, connected.

    Args:
        address: of a cluster; None for that of RAY_ADDRESS, or for one of this machine that ends
            with the block. A connection that the program has already made is used as it is.
        cpus: that a cluster which is started should have at least.

    Raises:
        MissingPackage: Ray is not installed.
        ConfigError: there is no cluster at the address.
    """
    with extra("ray"):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody has been asked
        import ray
        import ray.data
    _quiet(ray)
    if ray.is_initialized():
        yield ray
        return
    _connect(ray, address or os.environ.get("RAY_ADDRESS"), max(cpus, available_cores()))
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str | None, cpus: int) -> None:
    local: dict[str, Any] = {
        "num_cpus": cpus,
        "include_dashboard": False,
        "object_store_memory": _STORE_BYTES,
    }
    for attempt in range(1 if address else _ATTEMPTS):
        try:
            ray.init(
                address=address or "local",
                logging_level=logging.CRITICAL,
                log_to_driver=False,
                **({} if address else local),
            )
            return
        except Exception as error:  # Ray raises what it likes, plain Exception too
            ray.shutdown()
            if address or attempt == _ATTEMPTS - 1:
                where = f"{address}: no Ray cluster there" if address else "Ray does not start"
                raise ConfigError(f"{where}: {one_line(error)}") from None


def _quiet(ray: Any) -> None:
    """Progress and failures are reported by us, once; Ray's own logs have the rest."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    for name in ("ray.data", "ray._private"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def room(ray: Any, cpus: int, gpus: float) -> int:
    """How many actors of so many CPUs and GPUs the cluster has room for; at least one."""
    there = ray.cluster_resources()
    counts = [int(there.get("CPU", 0) // cpus)]
    if gpus:
        counts.append(int(there.get("GPU", 0) / gpus))
    return max(1, min(counts))


def results(
    ray: Any, tasks: Sequence[object], worker: Callable[..., Any], **how: Any
) -> Iterator[Any]:
    """The results of all tasks, as they come. What dies is started anew, and its task with it.

    Args:
        worker: a class, made once for each process and called with a task; or a function.
        how: further arguments of `ray.data.Dataset.map_batches`.

    Raises:
        CodecError: a worker cannot be made, or fails.
    """
    rows = [{"task": pack(task)} for task in tasks]
    try:
        dataset = ray.data.from_items(rows, override_num_blocks=len(rows))
        done = dataset.map_batches(worker, batch_size=1, batch_format="numpy", **how)
        for row in done.iter_rows():
            yield unpack(row["result"])
    except ray.exceptions.RayError as error:
        cause = getattr(error, "cause", None)
        if isinstance(cause, CodecError):
            raise cause from None
        raise CodecError(f"the Ray cluster gave up: {_last_line(error)}") from error


def pack(value: object) -> bytes:
    """A task or a result, as it travels between the processes of one run."""
    return pickle.dumps(value)


def unpack(data: bytes) -> Any:
    """What `pack` packed, which never comes from outside of the run."""
    return pickle.loads(data)


def _last_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
