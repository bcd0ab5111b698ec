"""What each choice in the configuration of the shipped model is worth, at equal time of a core.

    python local/ablation.py --config conf/speech_24k.yaml --train data/train --valid data/valid \\
        --seconds 1200 --output exp/ablation --results ../../docs/ablation.json

Each row trains from scratch with one thing changed, is stopped, and is scored on the validation
utterances. The seconds are processor time of the training, which is wall-clock time on a core of
its own and does not depend on what else the machine does. Finished rows are not run again, one that
was interrupted is started anew, and `--rows` runs some of them. The page is written beside the
results and says which rows are missing.
"""

import argparse
import json
import math
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from ablation_page import train_command, write_page

from audiocodec.config import load_config
from audiocodec.environment import commit, environment
from audiocodec.training.config import TrainConfig

COMMON = (
    "autoencoder_steps=200", "warmup_steps=100", "decay_steps=1", "steps=100000",
    "adversarial_start=100000", "validate_every=100000", "save_every=100000", "ema_decay=0.99",
    "losses.loudness=0", "losses.intelligibility=0", "perceptual_start=0",  # they set in later
)  # fmt: skip
NOTE = "Loudness and envelopes, which set in later, are left out but where a row names them."
SMALL = "{kind: convnext, strides: [320], channels: [192], blocks: [4], mel_bands: 80}"
ROWS: dict[str, tuple[str, ...]] = {
    "as configured": (),
    "head: inverse MDCT": ("codec.decoder.head={kind: mdct}", "losses.draws=1"),
    "no distance of harmonics": ("losses.harmonic=0",),
    "loudness from the start": ("losses.loudness=2",),
    "loudness and envelopes from the start": ("losses.loudness=2", "losses.intelligibility=40"),
    "loudness and envelopes from step 900": (
        "losses.loudness=2", "losses.intelligibility=40", "perceptual_start=900",
    ),
    "STFT discriminators from step 1000": ("adversarial_start=1000",),
    "larger decoder": ("codec.decoder.channels=512", "codec.decoder.blocks=6"),
    "latent of 96": ("codec.latent_dim=96",),
    "one draw": ("losses.draws=1",),
    "head: inverse STFT of 1280": ("codec.decoder.head={kind: istft}", "losses.draws=1"),
    "320, 160, 80 and 40 mel bands": (
        "losses.mel_settings={windows: [2048, 1024, 512, 256], n_mels: [320, 160, 80, 40], "
        "repulsion: 0.65}",
    ),
    "phases at all frequencies": ("losses.stft_settings.high=null", "losses.stft=80"),
    "commitment at 0.25": ("codec.quantizer.commitment_weight=0.25",),
    "quantizer dropout 0.2": ("quantizer_dropout=0.2",),
    "head: harmonics from 2 kHz, direct below": (
        "codec.decoder.head={kind: harmonic, direct: 64, start: 54}",
    ),
    "phases below 4 kHz": ("losses.stft_settings.high=4000",),
    "smaller encoder": (f"codec.encoder={SMALL}",),
    "multi-period and multi-resolution discriminators from step 1000": (
        "adversarial_start=1000",
        "discriminators=[{kind: multi_period, channels: [8, 16, 32, 32]}, "
        "{kind: multi_resolution, channels: 8}]",
    ),
}  # fmt: skip
RATES = {"6 kbit/s": 1.0, "3 kbit/s": 0.5}  # and the share of the stages that makes them
COLUMNS = ("mel_distance", "pesq_wb", "stoi", "dnsmos", "harmonic_correlation", "tonal_lines")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for name in ("config", "train", "valid", "output", "results"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=1200)
    parser.add_argument("--rows", nargs="+", choices=ROWS, metavar="NAME", default=list(ROWS))
    args = parser.parse_args()
    machine = environment()
    results: dict[str, Any] = {
        **{name: str(getattr(args, name)) for name in ("config", "train", "valid")},
        "seconds": args.seconds,
        "processor": machine["processor"],
        "torch": machine["versions"]["torch"],
        "commit": commit(),
        "common": COMMON,
        "title": "Ablations of the shipped model",
        "clock": "processor time",
        "curves": "training_curves.json",
        "earlier": "ablation_first.md",
        "note": NOTE,
    }
    for name in args.rows:
        run(name, results, args)
        done = {name: finished(args.output, name) for name in ROWS}
        results["rows"] = [row for row in done.values() if row is not None]
        results["missing"] = [name for name, row in done.items() if row is None]
        args.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        write_page(results, args.results.with_suffix(".md"))


def run(name: str, results: dict[str, Any], args: argparse.Namespace) -> None:
    """Train and score a row, unless that is done; scores that are not defined are None."""
    if finished(args.output, name) is not None:
        return
    folder = place(args.output, name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    train_for(args.seconds, train_command(results, ROWS[name], str(folder)), folder / "train.log")
    checkpoint = max((folder / "checkpoints").glob("step_*"), default=None)
    if checkpoint is None:
        sys.exit(f"{name}: the training left no checkpoint (see {folder / 'train.log'})")
    scores = {rate: score(folder, checkpoint, part, args.valid) for rate, part in RATES.items()}
    steps = int(checkpoint.name.removeprefix("step_"))
    row = {"row": name, "settings": ROWS[name], "steps": steps, "scores": scores}
    (folder / "row.json").write_text(json.dumps(row), encoding="utf-8")


def train_for(seconds: float, command: list[str], log: Path) -> None:
    """Run a training until it has had `seconds` of processor time, then let it save and end."""
    with log.open("w", encoding="utf-8") as lines:
        training = psutil.Popen(command, stdout=lines, stderr=lines)
        try:
            while spent(training) < seconds:
                time.sleep(1)
        finally:
            if training.poll() is None:
                training.terminate()
            training.wait()


def spent(process: psutil.Popen) -> float:
    """Processor time in seconds; infinite when the process has ended."""
    try:
        return math.inf if process.poll() is not None else sum(process.cpu_times()[:2])
    except psutil.NoSuchProcess:
        return math.inf


def place(output: Path, name: str) -> Path:
    """The folder of a row."""
    return output / name.replace(" ", "_").replace(":", "").replace(",", "")


def finished(output: Path, name: str) -> dict[str, Any] | None:
    """A row with its scores, if it has been run."""
    done = place(output, name) / "row.json"
    if not done.exists():
        return None
    found: dict[str, Any] = json.loads(done.read_text(encoding="utf-8"))
    return found


def score(folder: Path, checkpoint: Path, part: float, valid: Path) -> dict[str, Any]:
    """Means of the metrics at `part` of the stages."""
    settings = load_config(TrainConfig, folder / "config.yaml").codec.quantizer
    stages = round(part * settings.num_quantizers)
    evaluate = [
        "codec", "evaluate", "--reference", str(valid), "--model", str(checkpoint),
        "--num-quantizers", str(stages), "--metrics", ",".join(COLUMNS), "--no-report",
        "--output", str(folder / f"scores_{stages}"), "--jobs", "1", "--threads", "1", "--json",
    ]  # fmt: skip
    summary = json.loads(subprocess.run(evaluate, stdout=subprocess.PIPE, check=False).stdout)
    scored = summary["metrics"]
    return {name: scored[name]["mean"] if name in scored else None for name in COLUMNS}


if __name__ == "__main__":
    main()
