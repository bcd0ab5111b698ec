"""Entries of lists that are shell commands, which print an audio file; run only when asked for."""

import os
import signal
import subprocess
import tempfile
from pathlib import Path
from threading import Event
from typing import IO

from audiocodec.errors import AudioError, CodecError
from audiocodec.signatures import container_of

_LOOK = 0.2  # seconds between looks at whether to stop


def write_output(command: str, target: Path, stopped: Event | None = None) -> Path:
    """Run a command and write what it prints to `target` with the suffix of its format.

    Args:
        stopped: when set, the command is ended.

    Raises:
        AudioError: the command failed, printed nothing or was stopped.
        CodecError: the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".command-", dir=target.parent) as folder:
            output = Path(folder) / "output"
            with open(output, "w+b") as file:
                run_command(command, file, stopped)
                file.seek(0)
                suffix = container_of(file.read(64)) or "wav"
            return output.rename(target.with_name(f"{target.name}.{suffix}"))
    except OSError as error:
        raise CodecError(f"{target}: cannot write: {error.strerror or error}") from error


def run_command(command: str, target: IO[bytes], stopped: Event | None = None) -> None:
    """Run a command with its output going to an open file.

    Raises:
        AudioError: the command failed, printed nothing or was stopped.
    """
    process = subprocess.Popen(
        command,
        shell=True,
        stdin=subprocess.DEVNULL,
        stdout=target,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    complaint = _wait(process, stopped)
    if process.returncode:
        raise AudioError(
            f"the command {command!r} failed with exit code {process.returncode}: {complaint}"
        )
    if not os.fstat(target.fileno()).st_size:
        raise AudioError(f"the command {command!r} printed nothing")


def _wait(process: "subprocess.Popen[bytes]", stopped: Event | None) -> str:
    """The last line of what the command says on stderr when it has ended."""
    try:
        while True:
            try:
                _, text = process.communicate(timeout=_LOOK)
                lines = text.decode(errors="replace").strip().splitlines()
                return lines[-1][:200] if lines else "it says nothing"
            except subprocess.TimeoutExpired:
                if stopped is not None and stopped.is_set():
                    raise AudioError("stopped while a command was running") from None
    finally:
        if process.returncode is None:
            _kill(process)
            process.wait()
        if process.stderr is not None:
            process.stderr.close()


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """End a shell and, where sessions exist, whatever it has started."""
    if hasattr(os, "killpg"):
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
