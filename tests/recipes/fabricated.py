"""Fabricated corpora, a tiny experiment and how a recipe is run on them."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from audiocodec.audio import write_waveform

ROOT = Path(__file__).parents[2]
RATE = 24_000
TINY = """
codec:
  latent_dim: 8
  encoder: {kind: convnext, strides: [320], channels: [24], blocks: [1]}
  quantizer: {kind: residual, num_quantizers: 2, codebook_size: 16}
  decoder: {kind: convnext, channels: 24, blocks: 1, head: {kind: mdct}}
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


def speech_like(path: Path, seed: int, seconds: float = 0.6) -> None:
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = random.uniform(80, 250)
    voiced = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 20))
    noise = 0.01 * random.standard_normal(len(time))
    write_waveform(path, (0.1 * voiced * (1 + np.sin(20 * time)) + noise).astype(np.float32), RATE)


def environment_of_recipes() -> dict[str, str]:
    """Of a process that finds this package and the programs of its environment."""
    return os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }


def run(checkout: Path, recipe: str, *options: object) -> "subprocess.CompletedProcess[str]":
    command = [f"egs/{recipe}/run.sh", *map(str, options)]
    return subprocess.run(
        command, cwd=checkout, env=environment_of_recipes(), capture_output=True, text=True
    )
