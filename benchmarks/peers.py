"""How fast is it beside other codecs, and what do they cost? A row each; prints JSON.

python benchmarks/peers.py                       # all of them, 1 thread and 2
python benchmarks/peers.py --against encodec     # any options of `codec bench` but --audio, --json

They code ten seconds of shipped speech, of several voices.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from audiocodec.audio import read_waveform, write_waveform
from audiocodec.data.samples import shipped_speech
from audiocodec.peers.loading import PEERS
from audiocodec.peers.speed import as_rows

SECONDS, RATE = 10, 24_000
DEFAULTS = ["--against", ",".join(PEERS), "--threads", "1", "2", "--repeats", "3"]


def main() -> None:
    command = [sys.executable, "-m", "audiocodec", "bench", *DEFAULTS, *sys.argv[1:], "--json"]
    with tempfile.TemporaryDirectory() as folder:
        audio = Path(folder) / "speech.wav"
        write_waveform(audio, speech(), RATE)
        done = subprocess.run(
            [*command, "--audio", str(audio)], stdout=subprocess.PIPE, text=True, check=False
        )
    if not done.stdout:  # it has said why
        sys.exit(done.returncode)
    report = json.loads(done.stdout) | {"audio": "shipped speech of several voices"}
    report["codecs"] = as_rows(report["codecs"], report.pop("ours"))
    print(json.dumps(report, indent=2))


def speech() -> np.ndarray:
    """(1, time): one utterance of each voice, as far as they go."""
    first = [path for path in shipped_speech() if path.stem.endswith("_01")]
    waveform = np.concatenate([read_waveform(path, RATE) for path in first], axis=1)
    return waveform[:, : SECONDS * RATE]


if __name__ == "__main__":
    main()
