"""`--engine ray`: what a cluster makes is what one process makes, whatever dies."""

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from audiocodec.cli.main import main
from tests.cli.helpers import tree, write_audio
from tests.fabricator import fabricate
from tests.pipeline.ray_processes import workers_below

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # Ray's own
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
UTTERANCES, BAD, SIZE = 24, 7, 3


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a cluster of two CPUs, to which this process is connected."""
    pytest.importorskip("ray", reason="pip install 'simvq-codec[ray]'")
    from audiocodec.pipeline.ray_cluster import cluster

    os.environ.update(RAY_worker_niceness="0")  # else all that runs here goes first
    with cluster(None, 2) as ray:
        yield ray.get_runtime_context().gcs_address


@pytest.fixture(scope="module")
def model(tiny_model_dir: Path) -> tuple[str, ...]:
    return ("--model", str(tiny_model_dir), "--format", "webdataset", "--shard-size", str(SIZE))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    for index in range(UTTERANCES):
        write_audio(folder / f"{index:02d}.wav", 2000 + 100 * index)
    (folder / f"{BAD:02d}.wav").write_bytes(b"no audio")
    return folder


def encode(corpus: Path, target: Path, *words: object) -> int:
    manifest = target.with_name(f"{target.name}.jsonl")
    words = ("encode", corpus, target, "--manifest", manifest, *words)
    return main([str(word) for word in words])


@pytest.fixture(scope="module")
def expected(corpus: Path, model: tuple[str, ...], tmp_path_factory) -> tuple[dict, list]:
    target = tmp_path_factory.mktemp("expected") / "out"
    assert encode(corpus, target, *model) == 3
    return result(target)


def result(target: Path) -> tuple[dict, list]:
    """The shards, and the manifest without the place where they are."""
    shards = {name: data for name, data in tree(target).items() if not name.startswith(".codec")}
    text = target.with_name(f"{target.name}.jsonl").read_text().replace(str(target), "OUT")
    return shards, [json.loads(line) for line in text.splitlines()]


RAY = ("--engine", "ray", "--actors", 2)


def test_a_cluster_makes_the_bytes_of_one_process_and_a_second_run_does_nothing(
    cluster, corpus, model, expected, tmp_path, capfd
):
    target = tmp_path / "out"
    assert encode(corpus, target, *model, *RAY) == 3
    assert result(target) == expected
    assert "1 of 24 files failed" in capfd.readouterr().err
    times = {path: path.stat().st_mtime_ns for path in target.glob("*.tar")}
    assert encode(corpus, target, *model, *RAY) == 3
    assert times == {path: path.stat().st_mtime_ns for path in target.glob("*.tar")}
    assert "23 were there already" in capfd.readouterr().err
    (target / "codes-00003-of-00008.tar").unlink()
    assert encode(corpus, target, *model, *RAY) == 3
    assert result(target) == expected
    capfd.readouterr()
    assert encode(corpus, target, *model[:-1], 4, *RAY) == 2
    assert "has shards of another run (shard_size 3, not 4" in capfd.readouterr().err
    assert result(target) == expected


def kill_a_worker(killed: list[int]) -> None:
    """Kill a process of the cluster with an actor, as soon as there is one."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        if actors := workers_below(os.getpid(), "MapWorker"):
            killed.append(random.choice(actors))
            os.kill(killed[0], signal.SIGKILL)
            return
        time.sleep(0.01)


def test_a_killed_actor_loses_nothing_and_doubles_nothing(
    cluster, corpus, model, expected, tmp_path
):
    killed: list[int] = []
    killer = threading.Thread(target=kill_a_worker, args=(killed,))
    killer.start()
    assert encode(corpus, tmp_path / "out", *model, *RAY) == 3
    killer.join()
    assert killed and result(tmp_path / "out") == expected


def test_a_killed_driver_is_completed_by_the_next_one(cluster, corpus, model, expected, tmp_path):
    target = tmp_path / "out"
    words = ("encode", corpus, target, *model, *RAY, "--address", cluster)
    driver = subprocess.Popen([sys.executable, "-m", "audiocodec", *map(str, words)])
    try:
        while driver.poll() is None and not [*target.glob("*.tar")]:
            time.sleep(0.01)
    finally:
        driver.kill()
        driver.wait()
    assert encode(corpus, target, *model, *RAY) == 3
    assert result(target) == expected


def test_scores_of_a_cluster_are_those_of_one_process(cluster, corpus, tmp_path):
    words = ["evaluate", "--reference", str(corpus), "--degraded", str(corpus)]
    words += ["--metrics", "si_sdr,mel_distance", "--no-report"]
    files = []
    for name, engine in (("here", []), ("ray", ["--engine", "ray"])):
        assert main([*words, "--output", str(tmp_path / name), *engine]) == 3
        files.append((tmp_path / name / "utterances.csv").read_bytes())
    assert files[0] == files[1] and b"not readable" in files[0]


def test_ten_thousand_utterances_have_the_manifest_of_an_array_of_jobs(
    cluster, tiny_model_dir, tmp_path
):
    bad = fabricate(tmp_path / "data")
    words = ("--model", tiny_model_dir, "--format", "parquet", "--shard-size", 500)
    assert encode(tmp_path / "data", tmp_path / "ray", *words, *RAY) == 3
    for part in range(1, 5):
        done = encode(tmp_path / "data", tmp_path / "parts", *words, "--part", part, "--of", 4)
        assert done == 3
    assert result(tmp_path / "ray") == result(tmp_path / "parts")
    rows = result(tmp_path / "ray")[1]
    assert len(rows) == 10_000 and len(bad) == 100
    assert {row["id"] for row in rows if row["status"] == "failed"} == bad
