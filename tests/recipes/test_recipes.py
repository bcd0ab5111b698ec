"""egs/*/run.sh as a user runs them, on fabricated corpora with a tiny codec."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from fabricated import ROOT, run, speech_like

from audiocodec.data.data_dir import read_data_dir

LIBRITTS = ["train-clean-100", "train-clean-360", "train-other-500", "dev-clean", "test-clean"]
LIBRITTS += ["test-other"]


@pytest.fixture
def libritts(checkout) -> Path:
    """`corpus/LibriTTS` with the names and layout of the original."""
    root = checkout / "corpus" / "LibriTTS"
    for index, subset in enumerate([*LIBRITTS, "dev-other"]):
        for utterance in range(2):
            stem = f"{19 + index}_198_{utterance:06d}_{index:06d}"
            folder = root / subset / str(19 + index) / "198"
            speech_like(folder / f"{stem}.wav", 10 * index + utterance)
            (folder / f"{stem}.normalized.txt").write_text("Some text.")
    (root / "SPEAKERS.txt").write_text("; ID |SEX| SUBSET |MINUTES| NAME\n")
    return root


def test_libritts_is_prepared_validated_and_not_done_twice(checkout, libritts):
    broken = next((libritts / "train-other-500").rglob("*.wav"))
    broken.write_bytes(broken.read_bytes()[:30])
    options = ["--corpus", "corpus", "--stop-stage", 2, "--nj", 1, "--gpus", 0]
    done = run(checkout, "libritts", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    data = checkout / "egs/libritts/data"
    for name in LIBRITTS:
        row = read_data_dir(data / "checked" / name)[0]
        assert row.speaker == row.id.split("_")[0] and row.path.is_relative_to(libritts / name)
    assert str(broken) in done.stderr
    again = run(checkout, "libritts", *options)
    assert again.returncode == 0 and again.stderr.count("done before") == 3


def test_a_speaker_leak_in_libritts_stops_the_recipe(checkout, libritts):
    shutil.copytree(libritts / "test-clean" / "23", libritts / "dev-clean" / "23")
    done = run(checkout, "libritts", "--corpus", "corpus", "--stop-stage", 9, "--gpus", 0)
    assert done.returncode == 1 and "several sets" in done.stderr
    assert "stage 2 failed" in done.stderr


def test_libritts_is_downloaded_with_its_checksums(checkout, libritts):
    server = checkout / "server"
    server.mkdir()
    for name in LIBRITTS:
        members = ["-C", checkout / "corpus", f"LibriTTS/{name}"]
        subprocess.run(["tar", "-czf", server / f"{name}.tar.gz", *members], check=True)
    options = ["--url", server.as_uri(), "--nj", 1, "--stop-stage"]
    refused = run(checkout, "libritts", *options, 1)
    assert refused.returncode == 1 and "SHA-256" in refused.stderr  # these are not the original
    sums = subprocess.check_output(["sha256sum", *sorted(server.iterdir())], text=True)
    lines = [line.replace(f"{server}/", "").replace(".tar.gz", "") for line in sums.splitlines()]
    (checkout / "egs/libritts/conf/sha256").write_text("\n".join(lines) + "\n")
    done = run(checkout, "libritts", *options, 0, "--train-sets", "train-clean-100")
    assert done.returncode == 0, done.stdout + done.stderr
    (server / "train-clean-100.tar.gz").unlink()  # with more sets, those there are kept
    done = run(checkout, "libritts", *options, 1)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(read_data_dir(checkout / "egs/libritts/data/train-clean-100")) == 2


def test_the_checksums_are_there_for_every_set_that_may_be_downloaded():
    lines = (ROOT / "egs/libritts/conf/sha256").read_text().splitlines()
    table = {name: digest for digest, name in (line.split() for line in lines)}
    assert table.keys() == {*LIBRITTS, "dev-other"}
    assert all(len(digest) == 64 and int(digest, 16) >= 0 for digest in table.values())


def rows(report: Path) -> list[list[str]]:
    lines = [line for line in report.read_text().splitlines() if line.startswith("| 2")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def test_libritts_passes_every_stage(checkout, libritts):
    options = ["--corpus", "corpus", "--nj", 1, "--gpus", 0]
    options += ["--num-quantizers", "2", "--test-sets", "test-clean"]
    done = run(checkout, "libritts", *options, "--config", checkout / "tiny.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    found = rows(checkout / "egs/libritts/exp/libritts/RESULTS.md")
    assert [row[2] for row in found] == ["0.60"] and "test-clean" in found[0][1]


@pytest.mark.slow
def test_any_folder_passes_every_stage_and_another_configuration_starts_anew(checkout):
    for speaker in range(5):
        for utterance in range(2):
            path = checkout / "my audio" / f"speaker {speaker}" / f"ä {utterance}.flac"
            speech_like(path, 10 * speaker + utterance)
    options = ["--audio", "my audio", "--nj", 1, "--num-quantizers", "1 2", "--config"]
    done = run(checkout, "folder", *options, checkout / "tiny.yaml")
    assert done.returncode == 0, done.stdout + done.stderr
    exp = checkout / "egs/folder/exp/folder"
    lower, row = rows(exp / "RESULTS.md")
    assert (lower[2], row[2]) == ("0.30", "0.60") and "--audio my\\ audio" in row[-1]
    summary = json.loads((exp / "scores/2/summary.json").read_text())
    assert summary["n_utterances"] == 2
    (checkout / "other.yaml").write_text((checkout / "tiny.yaml").read_text() + "seed: 1\n")
    done = run(checkout, "folder", *options, checkout / "other.yaml", "--stop-stage", 2)
    assert done.returncode == 0 and done.stderr.count("done before") == 2
    assert (checkout / "egs/folder/exp/folder.1/report").exists()
    assert "seed: 1" in (exp / "config.yaml").read_text()
