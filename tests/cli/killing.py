"""Run `codec` commands in forks of a process that has torch loaded, and kill some of them.

Usage: python -m tests.cli.killing INPUT MODEL WORK COUNT. Prints how many files each killed run had
finished; exits with 1 and a message if a file under its final name is not what it should be.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch

from audiocodec.cli.main import main
from audiocodec.models import transcoder  # noqa: F401
from audiocodec.pipeline import encode  # noqa: F401


def start(arguments: list[str]) -> int:
    child = os.fork()
    if child:
        return child
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os._exit(main(arguments))


def finish(arguments: list[str]) -> None:
    _, status = os.waitpid(start(arguments), 0)
    assert os.waitstatus_to_exitcode(status) == 0, arguments


def finished(folder: Path) -> dict[str, bytes]:
    """Files under their final names."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths if p.name[0] != "."}


def kill_many(source: str, model: str, work: Path, count: int) -> None:
    torch.set_num_threads(1)
    rng = random.Random(0)
    options = ["--model", model]
    begin = time.monotonic()
    finish(["encode", source, str(work / "undisturbed"), *options])
    duration = time.monotonic() - begin
    expected = finished(work / "undisturbed")
    for run in range(count):
        output = work / f"killed{run}"
        child = start(["encode", source, str(output), *options])
        time.sleep(rng.uniform(0, duration))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        early = finished(output)
        assert early.items() <= expected.items(), f"run {run} left a file that is not whole"
        finish(["encode", source, str(output), "--skip-existing", *options])
        assert finished(output) == expected, f"run {run}, continued, is not the undisturbed run"
        print(len(early), end=" ", flush=True)


if __name__ == "__main__":
    kill_many(sys.argv[1], sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
