"""Hardware and versions: what every measured number is stamped with."""

import os
import platform
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from audiocodec._version import __version__

# What asks a run to stop: Windows has no SIGUSR1, by which clusters warn of a coming end.
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGINT", "SIGUSR1") if hasattr(signal, name)
)
_LIBRARIES = (
    "torch",
    "numpy",
    "scipy",
    "soundfile",
    "soxr",
    "pesq",
    "pystoi",
    "librosa",
    "torchcrepe",
    "onnxruntime",
)


def environment() -> dict[str, Any]:
    """Processor, cores this process may use, system, Python and library versions."""
    return {
        "processor": _processor(),
        "cores": available_cores(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {"audiocodec": __version__} | {name: _version(name) for name in _LIBRARIES},
    }


def available_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def import_onnxruntime() -> Any:
    """The package; from version 1.29 on it reports what it runs to its maker unless it is told not
    to before it starts.
    """
    silent = os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")  # nobody has been asked
    import onnxruntime

    if silent != "0":
        onnxruntime.disable_telemetry_events()  # on Windows, which knows no such variable
    return onnxruntime


def peak_memory() -> int | None:
    """The most bytes that this process has had in memory, libraries included; None: not known."""
    try:  # of this program alone; ru_maxrss counts what forked it, too
        for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    try:
        import resource
    except ImportError:  # Windows
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def commit() -> str:
    """The commit of the checkout that this package runs from, with `+` if files have changed; ""
    for an installed package.
    """
    root = Path(__file__).parent.parent
    if not (root / ".git").exists():  # another project's repository may lie around an installed one
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--exclude=*", "--dirty=+"]
    try:
        done = subprocess.run(
            command, capture_output=True, encoding="utf-8", timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(name: str) -> str | None:
    import importlib.metadata  # every command would wait for it

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
