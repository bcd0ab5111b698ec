"""Does memory grow with the length of a file? Peak kB of `codec encode` and `decode`; prints JSON.

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

import numpy as np

from audiocodec.audio import AudioInfo
from audiocodec.audio_blocks import write_blocks
from audiocodec.environment import environment

MINUTES, RATE = (2, 120), 44_100


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        report = {
            "kilobytes": {f"{m} minutes": peaks(Path(folder), m) for m in MINUTES},
            "environment": environment(),
        }
    print(json.dumps(report, indent=2))


def peaks(folder: Path, minutes: int, *options: object) -> dict[str, int]:
    """Peak memory of encoding and of decoding noise of so many minutes."""
    source, codes = folder / f"{minutes}.flac", folder / f"{minutes}.npy"
    noise = 0.1 * np.random.default_rng(0).standard_normal((1, 60 * RATE))
    info = AudioInfo(RATE, minutes * 60 * RATE, 1)
    write_blocks(source, (noise.astype(np.float32) for _ in range(minutes)), info)
    return {
        "encode": peak("encode", source, codes, *options),
        "decode": peak("decode", codes, folder / "back.wav", *options),
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
