"""Work that harms its process; a module of its own, since processes import it by its name."""

import os
import signal
import time

import numpy as np
import psutil

from audiocodec.errors import CodecError


def crash(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Kills the process when the signals are identical."""
    if np.array_equal(reference, degraded):
        os._exit(3)
    return 1.0


def hang(reference: np.ndarray, degraded: np.ndarray, sample_rate: int) -> float:
    """Never ends when the signals are identical."""
    while np.array_equal(reference, degraded):
        time.sleep(1)
    return 1.0


def kill_another(number: int) -> int:
    """Kill the other processes of the pool, which are idle or work on other items."""
    for process in psutil.Process(os.getppid()).children():
        if process.pid != os.getpid() and number == 0:
            process.send_signal(signal.SIGKILL)
    return number


def useless(number: int) -> int:
    raise CodecError("no use to go on")
