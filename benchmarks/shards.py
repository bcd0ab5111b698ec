"""What a crop from audio shards costs beside one from single files; prints JSON.

Times are milliseconds of the processor for a crop of a second; the ways take turns.
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from audiocodec.audio import write_waveform
from audiocodec.data.crops import Crops, CropsConfig
from audiocodec.data.data_dir import Utterance, read_data_dir, write_data_dir
from audiocodec.data.shard_audio import shard_data_dir
from audiocodec.data.training_data import read_training_data
from audiocodec.environment import environment

RATE, UTTERANCES, CROPS = 24_000, 120, 400


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data_dir(folder)
        sets: dict[str, Sequence[Utterance]] = {"files": read_data_dir(folder / "data")}
        for kind in ("tar", "parquet"):
            shard_data_dir(folder / "data", folder / kind, kind, UTTERANCES // 2)
            sets[kind] = read_training_data([folder / kind]).utterances
        drawn = {kind: Crops(rows, CropsConfig(), RATE, seed=0) for kind, rows in sets.items()}
        seconds = dict.fromkeys(drawn, 0.0)
        for step in range(CROPS):
            for kind, crops in drawn.items():
                start = time.process_time()
                crops(step, 0)
                seconds[kind] += time.process_time() - start
    times = {kind: 1000 * value / CROPS for kind, value in seconds.items()}
    print(json.dumps({"milliseconds": times, "environment": environment()}, indent=2))


def make_data_dir(folder: Path) -> None:
    """Noise of 5 to 15 seconds, half of it WAV and half FLAC."""
    random = np.random.default_rng(0)
    rows = []
    for index in range(UTTERANCES):
        path = folder / "audio" / f"{index}.{('wav', 'flac')[index % 2]}"
        count = int(RATE * random.uniform(5, 15))
        write_waveform(path, random.uniform(-0.5, 0.5, count).astype(np.float32), RATE)
        rows.append(Utterance(str(index), path, "speaker", count, RATE))
    write_data_dir(folder / "data", rows)


if __name__ == "__main__":
    main()
