"""Runs code in a process of its own in which some packages are not to be found."""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

_PREFACE = """
import importlib.machinery, sys
absent, find = set({packages}), importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = classmethod(
    lambda cls, name, path=None, target=None:
    None if name.partition(".")[0] in absent else find(name, path, target)
)
"""
_COMMAND = "from audiocodec.cli.main import main\nsys.exit(main(sys.argv[1:]))\n"


def without(
    packages: Iterable[str], *arguments: object, code: str = _COMMAND, folder: Path | None = None
) -> "subprocess.CompletedProcess[str]":
    """`codec` with `arguments`, or other `code`, as if `packages` were not installed."""
    preface = _PREFACE.format(packages=sorted(packages))
    command = [sys.executable, "-c", preface + code, *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
