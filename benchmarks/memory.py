"""Does memory grow with the length of a file? Peak kB of `codec encode` and `decode`; prints JSON.

Both runtimes, one thread, a FLAC file of noise at 44.1 kHz.
Only anonymous memory is counted: pages of files, some 300 MB of torch's libraries, come and go with
the page cache.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.audio import AudioInfo
from audiocodec.audio_blocks import write_blocks
from audiocodec.environment import environment

MINUTES, RATE, HALVES = (2, 120), 44_100, ("encode", "decode")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = {
            runtime: {m: peaks(Path(folder) / runtime, m, "--runtime", runtime) for m in MINUTES}
            for runtime in ("onnx", "torch")
        }
    report = {
        "rows": [row(runtime, half, own) for runtime, own in found.items() for half in HALVES],
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


def row(runtime: str, half: str, found: dict[int, dict[str, int]]) -> dict[str, Any]:
    """Megabytes for each length, and by how much the longest takes more than the shortest."""
    sizes = {m: own[half] / 1000 for m, own in found.items()}
    by_length = {f"MB for {m} minutes": size for m, size in sizes.items()}
    growth = sizes[MINUTES[-1]] / sizes[MINUTES[0]] - 1
    return {"runtime": runtime, "half": half, **by_length, "more %": 100 * growth}


def peaks(folder: Path, minutes: int, *options: object) -> dict[str, int]:
    """Peak memory of encoding and of decoding noise of so many minutes."""
    folder.mkdir(exist_ok=True)
    source, codes = folder / f"{minutes}.flac", folder / f"{minutes}.npy"
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 60 * RATE))
    info = AudioInfo(RATE, minutes * 60 * RATE, 1)
    write_blocks(source, (noise.astype(np.float32) for _ in range(minutes)), info)
    return {
        "encode": peak("encode", source, codes, "--threads", 1, *options),
        "decode": peak("decode", codes, folder / "back.wav", "--threads", 1, *options),
    }


def peak(*arguments: object) -> int:
    """Peak kB of a `codec` command that succeeds, on one thread."""
    command = [sys.executable, "-m", "audiocodec", *map(str, arguments)]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    status = Path(f"/proc/{process.pid}/status")
    most = 0
    while process.poll() is None:
        lines = (line for line in status.read_text().splitlines() if line.startswith("RssAnon"))
        most = max([most, *(int(line.split()[1]) for line in lines)])
        time.sleep(0.01)
    if process.returncode:
        raise RuntimeError(f"{command} failed")
    return most


if __name__ == "__main__":
    main()
