"""The built wheel is small, complete and enough by itself.

By default it is installed without dependencies, which it finds in the tests' environment. With
AUDIOCODEC_TEST_EMPTY_VENV=1 it is installed into an empty environment with all of them, from the
package index: gigabytes, minutes.
"""

import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
EMPTY = bool(os.environ.get("AUDIOCODEC_TEST_EMPTY_VENV"))
MOST_BYTES = 60_000_000

Run = Callable[..., str]
pytestmark = pytest.mark.slow


def output(*command: object, folder: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command], cwd=folder, env=clean, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    output(sys.executable, "-m", "build", "--outdir", folder, ROOT, folder=folder)
    output(sys.executable, "-m", "twine", "check", "--strict", *folder.iterdir(), folder=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The commands' folder of an environment with the wheel in it, and a folder to work in."""
    work = tmp_path_factory.mktemp("work")
    output(sys.executable, "-m", "venv", work / "env", folder=work)
    python = work / "env" / "bin" / "python"
    options = () if EMPTY else ("--no-deps",)
    output(python, "-m", "pip", "install", "--quiet", *options, wheel, folder=work)
    if not EMPTY:  # below its own packages: the wheel's come first
        packages = output(
            python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", folder=work
        ).strip()
        Path(packages, "tests.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return python.parent, work


def test_the_wheel_is_below_60_mb(wheel):
    assert wheel.stat().st_size < MOST_BYTES


def test_the_first_lines_of_the_readme_work_with_the_wheel_alone(installed):
    commands, work = installed
    show = "import audiocodec; print(audiocodec.__file__)"
    where = output(commands / "python", "-c", show, folder=work)
    assert Path(where).is_relative_to(work)
    output(commands / "codec", "demo", folder=work)
    output(commands / "codec", "encode", "demo/harbour/original.wav", "out.npy", folder=work)
    output(commands / "codec", "decode", "out.npy", "back.wav", folder=work)
    output(commands / "codec", "info", "out.npy", folder=work)
    original = work / "demo" / "harbour" / "original.wav"
    assert (work / "back.wav").stat().st_size == original.stat().st_size
