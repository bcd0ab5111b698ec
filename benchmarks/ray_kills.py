"""Does a killed run on a Ray cluster, run again, give what an undisturbed one gives?

Prints JSON. A cluster of two CPUs encodes a fabricated corpus with bad recordings in it; in each
round SIGKILL takes an actor, any worker process, or the driver, at a random instant of the time
that an undisturbed run takes; the command is run again until it ends by itself. `identical` counts
the rounds whose shards and manifest are, byte for byte, those of one process without Ray; `twice`
and `lost` count ids in all rounds; `hit` counts the kills that met a run under way.

    python benchmarks/ray_kills.py --rounds 20 > docs/benchmarks/ray_kills.json
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from audiocodec.environment import environment
from audiocodec.pipeline.ray_cluster import cluster
from tests.conftest import build_codec
from tests.fabricator import fabricate
from tests.pipeline.ray_processes import workers_below

KINDS = ("actor", "worker", "driver")
Result = tuple[dict[str, bytes], bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--utterances", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, cluster(None, 2) as ray:
        address = ray.get_runtime_context().gcs_address
        print(json.dumps(measure(Path(folder), address, args), indent=1))


def measure(folder: Path, address: str, args: argparse.Namespace) -> dict[str, Any]:
    """Everything that is printed."""
    from audiocodec.models.bundle import save_codec

    save_codec(build_codec(), folder / "tiny")
    bad = fabricate(folder / "data", args.utterances, bad_share=0.05, seed=args.seed)
    expected = run(folder, "here", None)
    start = time.monotonic()
    same = [run(folder, "undisturbed", address) == expected]
    seconds = time.monotonic() - start
    chance = random.Random(args.seed)
    rounds = [one_round(folder, i, address, seconds, expected, chance) for i in range(args.rounds)]
    return {
        "utterances": args.utterances,
        "bad": len(bad),
        "undisturbed_seconds": round(seconds, 1),
        "undisturbed_identical": same[0],
        "rounds": len(rounds),
        "hit": sum(row["hit"] for row in rounds),
        "identical": sum(row["identical"] for row in rounds),
        "twice": sum(row["twice"] for row in rounds),
        "lost": sum(row["lost"] for row in rounds),
        "killed": rounds,
        **environment(),
    }


def command(folder: Path, name: str, address: str | None) -> list[str]:
    """The encoding that all runs do."""
    engine = ["--engine", "ray", "--address", address, "--actors", "2"] if address else []
    words = ["encode", "data", f"{name}/out", "--model", "tiny", "--format", "webdataset"]
    words += ["--shard-size", "20", "--manifest", f"{name}/manifest.jsonl", *engine]
    return [sys.executable, "-m", "audiocodec", *words]


def run(folder: Path, name: str, address: str | None) -> Result:
    """A whole run; the shards and the manifest."""
    done = subprocess.run(
        command(folder, name, address), cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr  # some recordings are bad
    return result(folder / name)


def result(folder: Path) -> Result:
    """What a run has made; places are those of the run."""
    shards = {path.name: path.read_bytes() for path in sorted((folder / "out").glob("*"))}
    manifest = (folder / "manifest.jsonl").read_bytes()
    return shards, manifest.replace(folder.name.encode() + b"/out", b"out")


def one_round(
    folder: Path,
    index: int,
    address: str,
    seconds: float,
    expected: Result,
    chance: random.Random,
) -> dict[str, Any]:
    """Start, kill, and start again until it is done."""
    kind, delay, name = KINDS[index % 3], chance.uniform(0, seconds), f"round{index}"
    driver = subprocess.Popen(command(folder, name, address), cwd=folder, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    hit = driver.poll() is None and kill(kind, driver, chance)
    there = len([*(folder / name / "out").glob("*.tar")])
    again = 0
    if driver.wait() != 3:
        again, _ = 1, run(folder, name, address)
    made = result(folder / name)
    ids = Counter(json.loads(line)["id"] for line in made[1].splitlines())
    wanted = {json.loads(line)["id"] for line in expected[1].splitlines()}
    row = {
        "kind": kind,
        "after_seconds": round(delay, 1),
        "hit": hit,
        "shards_then": there,
        "run_again": again,
        "identical": made == expected,
        "twice": sum(count - 1 for count in ids.values()),
        "lost": len(wanted - ids.keys()),
    }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def kill(kind: str, driver: "subprocess.Popen[Any]", chance: random.Random) -> bool:
    """Whether there was one to kill."""
    if kind == "driver":
        driver.kill()
        return True
    workers = workers_below(os.getpid(), "MapWorker" if kind == "actor" else "ray::")
    if workers:
        os.kill(chance.choice(workers), signal.SIGKILL)
    return bool(workers)


if __name__ == "__main__":
    main()
