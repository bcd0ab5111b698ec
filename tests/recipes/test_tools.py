"""Downloads that go on and are checked, rows of results, the check of a training."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).parents[2] / "recipes"


def call(*command: object) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


@pytest.fixture
def download(tmp_path):
    content = bytes(range(256)) * 300
    (tmp_path / "source").write_bytes(content)
    target = tmp_path / "new folder" / "corpus.tar.gz"

    def run(checksum: str = hashlib.sha256(content).hexdigest()):
        url = (tmp_path / "source").as_uri()
        return call(RECIPES / "download.sh", url, target, checksum)

    return run, content, target


@pytest.mark.parametrize("there", [0, 1000, -1])
def test_a_download_goes_on_where_it_stopped_and_ends_whole(download, there):
    run, content, target = download
    if there:
        target.parent.mkdir()
        target.with_name("corpus.tar.gz.part").write_bytes(content[: there if there > 0 else None])
    assert run().returncode == 0
    assert target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_file_that_is_there_is_not_downloaded_again(download, tmp_path):
    run, _, _ = download
    run()
    (tmp_path / "source").unlink()
    done = run()
    assert done.returncode == 0 and "already" in done.stderr


def test_a_damaged_download_is_refused_and_starts_over(download):
    run, content, target = download
    done = run("0" * 64)
    assert done.returncode == 1 and "SHA-256" in done.stderr
    assert not list(target.parent.iterdir())
    target.with_name("corpus.tar.gz.part").write_bytes(b"x" * 1000)  # damaged, then gone on with
    assert run().returncode == 1 and run().returncode == 0
    assert target.read_bytes() == content


def add_row(tmp_path, *, metric: str = "stoi", mean: float = 0.8) -> str:
    scores = tmp_path / "scores"
    scores.mkdir(exist_ok=True)
    value = {"mean": mean, "ci_low": 0.75, "ci_high": 0.85, "median": 0.8, "n_ok": 3, "n_failed": 1}
    summary = {"metrics": {metric: value}, "n_utterances": 4, "n_failed": 1}
    summary["stamp"] = {"name": "causal", "bitrate": 1500.0}
    (scores / "summary.json").write_text(json.dumps(summary))
    done = call(
        sys.executable,
        RECIPES / "results.py",
        *("--scores", scores, "--results", tmp_path / "RESULTS.md"),
        *("--command", "./run.sh --x 'a|b'"),
    )
    assert done.returncode == 0, done.stderr
    return (tmp_path / "RESULTS.md").read_text()


def test_a_result_is_a_row_with_bitrate_interval_counts_commit_and_command(tmp_path):
    rows = [add_row(tmp_path, mean=mean) for mean in (0.8, 0.9, 0.9)][-1].splitlines()[2:]
    assert rows[0].split(" | ")[2:6] == ["kbit/s", "stoi", "utterances", "failed"]
    assert rows[2].split(" | ")[1:6] == ["causal", "1.50", "0.800 ± 0.050", "4", "1"]
    assert r"`./run.sh --x 'a\|b'`" in rows[2]
    assert "0.900" in rows[3] and len(rows) == 4  # what is there is not added again


def test_other_columns_start_another_table(tmp_path):
    add_row(tmp_path)
    text = add_row(tmp_path, metric="pesq_wb")
    assert text.count("\n|---") == 2 and text.count("causal") == 2


@pytest.mark.parametrize(
    ("losses", "usage", "code"),
    [([3, 2, 1], 0.8, 0), ([1, 2, 3], 0.8, 1), ([3, 2, 1], 0.5, 1), ([2, 2], 0.8, 1)],
)
def test_a_run_passes_if_its_loss_fell_and_its_codebooks_are_used(tmp_path, losses, usage, code):
    reports = [{"step": n, "mel": loss} for n, loss in enumerate(losses)]
    reports.append({"step": 9, "valid/used_min": usage})
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in reports))
    done = call(sys.executable, RECIPES / "check_run.py", tmp_path)
    assert done.returncode == code
    assert done.stdout.count("FAILED") == code


@pytest.mark.parametrize(
    ("quantizer", "expected"),
    [("{kind: simvq}", "1"), ("{kind: residual, num_quantizers: 6}", "1 2 4 6")],
)
def test_a_codec_is_scored_at_the_numbers_of_quantizers_that_it_has(tmp_path, quantizer, expected):
    (tmp_path / "train.yaml").write_text(f"codec: {{quantizer: {quantizer}}}")
    done = call(sys.executable, RECIPES / "rates.py", tmp_path / "train.yaml")
    assert done.stdout.strip() == expected, done.stderr
