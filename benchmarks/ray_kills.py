"""Does a killed run on a Ray cluster, run again, give what an undisturbed one gives?

Prints JSON. A cluster of two CPUs encodes a fabricated corpus with bad recordings in it; in each
round SIGKILL takes an actor, any worker process, or the driver, at a random instant; a driver is
then started anew. `identical` counts
the rounds whose shards and manifest are, byte for byte, those of one process without Ray; `twice`
and `lost` count ids in all rounds; `hit` counts the kills that met a run under way.

    python benchmarks/ray_kills.py --rounds 20 > docs/benchmarks/ray_kills.json
"""

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))
from audiocodec.cli.main import main as codec
from audiocodec.environment import environment
from audiocodec.models.bundle import save_codec
from audiocodec.pipeline.ray_cluster import cluster
from tests.conftest import build_codec
from tests.fabricator import fabricate
from tests.pipeline.ray_processes import workers_below

KINDS, COUNTS = ("actor", "worker", "driver"), ("twice", "lost")
Result = tuple[dict[str, bytes], bytes]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--utterances", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ.update(RAY_worker_niceness="0")  # else all that runs here goes first
    with tempfile.TemporaryDirectory() as folder, cluster(None, 2) as ray:
        os.chdir(folder)
        address = ray.get_runtime_context().gcs_address
        with contextlib.redirect_stdout(sys.stderr):  # Ray prints who was killed
            found = measure(address, args)
    print(json.dumps(found, indent=1))


def measure(address: str, args: argparse.Namespace) -> dict[str, Any]:
    """Everything that is printed."""
    save_codec(build_codec(), Path("tiny"))
    bad = fabricate(Path("data"), args.utterances, bad_share=0.05, seed=args.seed)
    expected = run("here", None)
    same, usual = undisturbed(address, expected)
    chance = random.Random(args.seed)
    rounds: list[dict[str, Any]] = []
    with contextlib.suppress(KeyboardInterrupt):  # then these are all
        for index in range(args.rounds):
            rounds.append(one_round(index, address, usual, expected, chance))
    return {
        "utterances": args.utterances,
        "bad": len(bad),
        "shards": usual.shards,
        "seconds_to_first_shard": round(usual.start, 1),
        "seconds_of_encoding": round(usual.encoding, 1),
        "undisturbed_identical": same,
        "rounds": len(rounds),
        **{name: sum(row[name] for row in rounds) for name in ("hit", "identical", *COUNTS)},
        "killed": rounds,
        **environment(),
    }


@dataclass(frozen=True)
class Usual:
    """How long an undisturbed run takes to its first shard, and from there to its last."""

    start: float
    encoding: float
    shards: int

    def instant(self, chance: random.Random) -> tuple[int, float]:
        """After how many shards to kill, and how many seconds later: one time in four before the
        first, since starting processes takes the most of so small a run.
        """
        if chance.random() < 0.25:
            return 0, chance.uniform(0, self.start)
        return chance.randrange(1, self.shards), chance.uniform(0, self.encoding / self.shards)


def undisturbed(address: str, expected: Result) -> tuple[bool, Usual]:
    """Whether a run without kills gives the same, and how it went."""
    start = time.time()
    same = run("undisturbed", address) == expected
    times = sorted(path.stat().st_mtime for path in Path("undisturbed/out").glob("codes-*"))
    return same, Usual(times[0] - start, times[-1] - times[0], len(times))


def words(name: str, address: str | None) -> list[str]:
    """The encoding that all runs do."""
    engine = ["--engine", "ray", "--address", address, "--actors", "2"] if address else []
    options = ["--model", "tiny", "--format", "webdataset", "--shard-size", "20"]
    return ["encode", "data", f"{name}/out", *options, "--manifest", f"{name}/m.jsonl", *engine]


def run(name: str, address: str | None) -> Result:
    """A whole run in this process; the shards and the manifest."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        assert codec(words(name, address)) == 3  # some recordings are bad
    return result(Path(name))


def result(folder: Path) -> Result:
    """What a run has made; places are those of the run."""
    shards = {path.name: path.read_bytes() for path in sorted((folder / "out").glob("codes-*"))}
    manifest = (folder / "m.jsonl").read_bytes()
    return shards, manifest.replace(folder.name.encode() + b"/out", b"out")


def one_round(
    index: int, address: str, usual: Usual, expected: Result, chance: random.Random
) -> dict[str, Any]:
    """Start, kill, and start again until it is done."""
    kind, folder = KINDS[index % 3], Path(f"round{index}")
    shards, delay = usual.instant(chance)
    then: dict[str, Any] = {}

    def strike(driver: "subprocess.Popen[bytes] | None" = None) -> None:
        start = time.monotonic()
        while len([*(folder / "out").glob("*.tar")]) < shards and "done" not in then:
            time.sleep(0.01)
        time.sleep(delay)
        then["after_seconds"] = round(time.monotonic() - start, 1)
        then["shards_then"] = len([*(folder / "out").glob("*.tar")])
        then["hit"] = "done" not in then and kill(kind, driver, chance)

    if kind == "driver":
        command = [sys.executable, "-m", "audiocodec", *words(folder.name, address)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as driver:
            strike(driver)
        made = run(folder.name, address)
    else:
        killer = threading.Thread(target=strike)
        killer.start()
        made = run(folder.name, address)
        then["done"] = True
        killer.join()
    ids = Counter(json.loads(line)["id"] for line in made[1].splitlines())
    wanted = {json.loads(line)["id"] for line in expected[1].splitlines()}
    row = {
        "kind": kind,
        **{name: then[name] for name in ("after_seconds", "shards_then", "hit")},
        "identical": made == expected,
        "twice": sum(count - 1 for count in ids.values()),
        "lost": len(wanted - ids.keys()),
    }
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def kill(kind: str, driver: "subprocess.Popen[bytes] | None", chance: random.Random) -> bool:
    """Whether there was one to kill."""
    if driver is not None:
        hit = driver.poll() is None
        driver.kill()
        return hit
    workers = workers_below(os.getpid(), "MapWorker" if kind == "actor" else "ray::")
    if workers:
        os.kill(chance.choice(workers), signal.SIGKILL)
    return bool(workers)


if __name__ == "__main__":
    main()
