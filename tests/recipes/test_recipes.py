"""egs/*/run.sh as a user runs them, on fabricated corpora with a tiny codec."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from audiocodec.audio import write_waveform
from audiocodec.data.data_dir import read_data_dir

ROOT = Path(__file__).parents[2]
RATE = 24_000
TINY = """
codec:
  latent_dim: 8
  encoder: {kind: causal, strides: [320], channels: [24], blocks: [1]}
  quantizer: {kind: residual, num_quantizers: 2, codebook_size: 16}
  decoder: {kind: causal, channels: 24, blocks: 1, head: {kind: mdct}}
crops: {seconds: 0.2}
discriminators: [{kind: ms_stft, n_ffts: [128], channels: 2}]
losses: {mel_settings: {windows: [512], n_mels: [20]}}
batch_size: 2
steps: 6
autoencoder_steps: 2
adversarial_start: 4
warmup_steps: 1
decay_steps: 2
log_every: 2
save_every: 3
validate_every: 6
"""


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A copy of the recipes, so that nothing is written into the checkout."""
    for name in ("recipes", "egs"):
        left_out = shutil.ignore_patterns("data", "exp", "downloads", ".stages")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=left_out)
    (tmp_path / "tiny.yaml").write_text(TINY)
    return tmp_path


def speech_like(path: Path, seed: int, seconds: float = 0.6) -> None:
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = random.uniform(80, 250)
    voiced = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 20))
    noise = 0.01 * random.standard_normal(len(time))
    write_waveform(path, (0.1 * voiced * (1 + np.sin(20 * time)) + noise).astype(np.float32), RATE)


def run(checkout: Path, recipe: str, *options: object) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    command = [f"egs/{recipe}/run.sh", *map(str, options)]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True)


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
    options = ["--url", server.as_uri(), "--stop-stage", 1, "--nj", 1]
    refused = run(checkout, "libritts", *options)
    assert refused.returncode == 1 and "SHA-256" in refused.stderr  # these are not the original
    sums = subprocess.check_output(["sha256sum", *sorted(server.iterdir())], text=True)
    lines = [line.replace(f"{server}/", "").replace(".tar.gz", "") for line in sums.splitlines()]
    (checkout / "egs/libritts/conf/sha256").write_text("\n".join(lines) + "\n")
    done = run(checkout, "libritts", *options)
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
    found = rows(checkout / "egs/libritts/exp/libritts/report/RESULTS.md")
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
    lower, row = rows(exp / "report/RESULTS.md")
    assert (lower[2], row[2]) == ("0.30", "0.60") and "--audio my\\ audio" in row[-1]
    summary = json.loads((exp / "scores/2/summary.json").read_text())
    assert summary["n_utterances"] == 2
    (checkout / "other.yaml").write_text((checkout / "tiny.yaml").read_text() + "seed: 1\n")
    done = run(checkout, "folder", *options, checkout / "other.yaml", "--stop-stage", 2)
    assert done.returncode == 0 and done.stderr.count("done before") == 2
    assert (checkout / "egs/folder/exp/folder.1/report").exists()
    assert "seed: 1" in (exp / "config.yaml").read_text()
