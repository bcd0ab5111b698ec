import os
import signal
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from audiocodec.data import readers
from audiocodec.data.readers import Readers, StoppedWaiting
from audiocodec.errors import AudioError, DataError


def never() -> bool:
    return False


def at_once() -> bool:
    return True


def slow_square(item: int) -> int:
    time.sleep(0.05 * (item % 3))
    return item**2


def die(item: int) -> int:
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


def hang(item: int) -> int:
    time.sleep(600 if item == 3 else 0)
    return item


def fail(item: int) -> int:
    raise AudioError(f"file {item} is damaged")


def large(item: int) -> np.ndarray:
    return np.full(4_000_000, item, dtype=np.float32)


def note_process(item: int, folder: Path) -> int:
    (folder / str(os.getpid())).touch()
    return item


def test_results_come_in_order() -> None:
    assert list(Readers(slow_square, 20, 3, never)) == [item**2 for item in range(20)]


def test_a_process_that_dies_ends_the_wait() -> None:
    with pytest.raises(DataError, match="was killed"):
        list(Readers(die, 100, 2, never))


def test_a_wish_to_stop_ends_the_wait_for_a_process_that_hangs(monkeypatch) -> None:
    monkeypatch.setattr(readers, "_PATIENCE", 0.2)
    start = time.monotonic()
    with pytest.raises(StoppedWaiting):
        list(Readers(hang, 100, 2, at_once))
    assert time.monotonic() - start < 20


def test_errors_arrive_as_they_are() -> None:
    with pytest.raises(AudioError, match="file 0 is damaged"):
        list(Readers(fail, 3, 1, never))


def shared_memory() -> int:
    return os.statvfs("/dev/shm").f_bfree


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no /dev/shm here")
def test_what_is_read_takes_no_shared_memory() -> None:
    free = shared_memory() * os.statvfs("/dev/shm").f_frsize
    for item, array in enumerate(Readers(large, 6, 2, never)):
        assert array[0] == item
        taken = free - shared_memory() * os.statvfs("/dev/shm").f_frsize
        assert taken < 8_000_000  # half of one array


def test_no_process_outlives_the_loop(tmp_path: Path) -> None:
    for item in Readers(partial(note_process, folder=tmp_path), 1000, 2, never):
        if item == 5:
            break
    deadline = time.monotonic() + 10
    pids = [path.name for path in tmp_path.iterdir()]
    while any(running(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert pids and not any(running(pid) for pid in pids)


def running(pid: str) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().split(")")[-1].split()[0]
    except FileNotFoundError:
        return False
