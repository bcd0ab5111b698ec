"""How much faster do two actors of a Ray cluster encode than one? Needs two idle cores.

Prints JSON. Shipped speech, repeated to `--minutes` of audio, is encoded to shards with the shipped
model: without Ray on one thread, then by one and by two actors on a cluster of two CPUs, in turns,
`--repeats` times; medians. `encoding_seconds` are from the first shard to the last, divided by
their share of the corpus, so that starting processes and loading models are left out, as they are
over hours; `seconds` are those of the whole call. All results are compared byte for byte.

    python benchmarks/ray_scaling.py > docs/benchmarks/ray_scaling.json
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from audiocodec.audio import audio_info
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import environment
from audiocodec.pipeline.encode import encode_files
from audiocodec.pipeline.options import EncodeOptions
from audiocodec.pipeline.ray_cluster import cluster

SIZE = 20  # utterances in a shard
OPTIONS = EncodeOptions(format="webdataset", shard_size=SIZE, threads=1)
ENGINES = {
    "one process": OPTIONS,
    "1 actor": EncodeOptions(**vars(OPTIONS) | {"engine": "ray", "actors": 1}),
    "2 actors": EncodeOptions(**vars(OPTIONS) | {"engine": "ray", "actors": 2}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", help="a folder or a name (default: the shipped model)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        seconds = corpus(folder / "corpus", 60 * args.minutes)
        os.environ.update(RAY_worker_niceness="0")  # as the process without Ray
        with cluster(None, 2):
            runs = [
                {engine: run(folder, engine, args.model) for engine in ENGINES}
                for _ in range(args.repeats)
            ]
    found = {
        engine: {
            key: round(statistics.median(row[engine][key] for row in runs), 2)
            for key in ("seconds", "encoding_seconds")
        }
        for engine in ENGINES
    }
    whole, steady = (
        found["1 actor"][key] / found["2 actors"][key] for key in ("seconds", "encoding_seconds")
    )
    rate = seconds / 3600 / (found["1 actor"]["encoding_seconds"] / 3600)
    report = {
        "audio_hours": round(seconds / 3600, 3),
        "repeats": args.repeats,
        "load_before": os.getloadavg()[0],
        **found,
        "speedup_of_two_actors": round(steady, 2),
        "speedup_of_two_actors_with_start": round(whole, 2),
        "hours_of_audio_per_core_hour": round(rate, 1),
        **environment(),
    }
    print(json.dumps(report, indent=1))


def corpus(folder: Path, seconds: float) -> float:
    """Links to the shipped speech, until there is enough; its seconds."""
    folder.mkdir()
    speech = shipped_speech()
    lengths = {path: _seconds(path) for path in speech}
    total, index = 0.0, 0
    while total < seconds or index % (4 * SIZE):
        path = speech[index % len(speech)]
        (folder / f"{index:06d}{path.suffix}").symlink_to(path)
        total += lengths[path]
        index += 1
    return total


def _seconds(path: Path) -> float:
    info = audio_info(path)
    return info.num_samples / info.sample_rate


def run(folder: Path, engine: str, model: str | None) -> dict[str, Any]:
    """One encoding; its shards must be those of the first."""
    target, first = folder / "out", folder / "first"
    shutil.rmtree(target, ignore_errors=True)
    start = time.monotonic()
    encode_files([folder / "corpus"], target, model, options=ENGINES[engine])
    seconds = time.monotonic() - start
    shards = sorted(target.glob("*.tar"))
    if not first.exists():
        shutil.copytree(target, first)
    for path in shards:
        assert path.read_bytes() == (first / path.name).read_bytes(), f"{engine}: {path.name}"
    times = sorted(path.stat().st_mtime for path in shards)
    actors = ENGINES[engine].actors or 1
    share = (len(times) - actors) / len(times)  # those that were begun after a first one was done
    steady = (times[-1] - times[actors - 1]) / share
    print(f"{engine}: {seconds:.1f} s, encoding {steady:.1f} s", file=sys.stderr, flush=True)
    return {"seconds": seconds, "encoding_seconds": steady}


if __name__ == "__main__":
    main()
