"""How large is an installation that encodes and decodes, and how soon has it done a short file?

Prints JSON. The wheel is built and installed into an empty environment, from the package index,
with the packages that it requires and no more. Then commands run there on one recording: `first` is
the run that compiles Python's files, `wall` and `processor` are medians of the seconds of REPEATS
runs after it. Other work on the machine makes the wall time longer, and moves the processor time
little. The codes are compared with those of PyTorch in this environment.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from audiocodec.audio import read_waveform, write_waveform
from audiocodec.codes import read_codes
from audiocodec.data.samples import demo_speech
from audiocodec.environment import environment
from audiocodec.models.bundle import load_codec

ROOT = Path(__file__).parent.parent
REPEATS = 5
LARGEST = 8  # packages to list
Times = dict[str, float]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        report = measured(Path(name))
    print(json.dumps(report | {"environment": environment()}, indent=2))


def measured(folder: Path) -> dict[str, Any]:
    """Sizes, times and differing codes of a fresh installation in `folder`."""
    python = install(wheel(folder / "dist"), folder / "venv")
    packages = sizes(python)
    source = demo_speech()[1]
    waveform, rate = read_waveform(source)[:, : 5 * 24_000], 24_000
    write_waveform(folder / "x.wav", waveform, rate)
    commands = {
        "--help": ["--help"],
        "encode": ["encode", "x.wav", "x.npy"],
        "decode": ["decode", "x.npy", "y.wav"],
        "info": ["info", "x.npy"],
    }
    seconds = {name: timed(python, words, folder) for name, words in commands.items()}
    codes = read_codes(folder / "x.npy").codes
    expected = load_codec(runtime="torch").encode(folder / "x.wav").numpy()
    return {
        "megabytes": sum(packages.values()),
        "megabytes_of": dict(sorted(packages.items(), key=lambda item: -item[1])[:LARGEST]),
        "torch_installed": succeeds(python, "import torch", folder),
        "audio_seconds": waveform.shape[1] / rate,
        "seconds": seconds,
        "codes": codes.size,
        "codes_that_differ_from_pytorch": int((codes != expected).sum()),
        "samples_in_and_out": [waveform.shape[1], read_waveform(folder / "y.wav").shape[1]],
    }


def wheel(folder: Path) -> Path:
    """The package's wheel, built into `folder`."""
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    run(build, folder.parent)
    return next(folder.glob("*.whl"))


def install(package: Path, folder: Path) -> Path:
    """The Python of a new environment with the package and what it requires."""
    run([sys.executable, "-m", "venv", str(folder)], folder.parent)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    run([str(python), "-m", "pip", "install", "--quiet", str(package)], folder.parent)
    return python


def sizes(python: Path) -> dict[str, float]:
    """Megabytes of each package's folder, and of the rest of the environment."""
    show = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run([str(python), "-c", show], python.parent).strip())
    packages = {path.name: megabytes(path) for path in site.iterdir()}
    rest = megabytes(python.parent.parent) - megabytes(site)
    return packages | {"the environment itself": rest}


def megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [own for own in path.rglob("*") if own.is_file()]
    return sum(own.lstat().st_size for own in files) / 1e6


def timed(python: Path, words: list[str], folder: Path) -> Times:
    """Seconds of `codec` with these words."""
    times = [once([str(python), "-m", "audiocodec", *words], folder) for _ in range(1 + REPEATS)]
    walls, processors = zip(*times[1:], strict=True)
    return {
        "first": times[0][0],
        "wall": statistics.median(walls),
        "processor": statistics.median(processors),
    }


def once(command: list[str], folder: Path) -> tuple[float, float]:
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run(command, folder)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - start, used


def succeeds(python: Path, code: str, folder: Path) -> bool:
    return subprocess.run([python, "-c", code], cwd=folder, capture_output=True).returncode == 0


def run(command: list[str], folder: Path) -> str:
    """What the command prints; it does not see this repository."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    main()
