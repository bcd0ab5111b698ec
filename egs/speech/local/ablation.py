"""What each choice in the configuration of the embedded model is worth, at equal wall-clock time.

    python local/ablation.py --config conf/speech_24k.yaml --train data/train --valid data/valid \
        --seconds 120 --output exp/ablation > ../../docs/ablation.md

Each row trains from scratch for as long, with one thing changed, and is stopped and scored on the
validation utterances. Rows that are done are not run again.
"""

import argparse
import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

from audiocodec.config import load_config
from audiocodec.environment import commit, environment
from audiocodec.training.config import TrainConfig

COMMON = (
    "autoencoder_steps=200", "warmup_steps=100", "decay_steps=1", "steps=100000",
    "adversarial_start=100000", "validate_every=100000", "save_every=100000", "ema_decay=0.99",
)  # fmt: skip
STRIDED = "{kind: convnext, strides: [40, 4, 2], channels: [96, 192, 384], blocks: [1, 2, 4]}"
FRONT = "kind: convnext, channels: [288], blocks: [5], mel_bands: 80"
ROWS: dict[str, tuple[str, ...]] = {
    "as configured": (),
    "head: inverse STFT of 1280": ("codec.decoder.head={kind: istft}",),
    "encoder: MDCT alone": ("codec.encoder.mel_bands=0", "codec.encoder.mdct_start=true"),
    "encoder: strided convolutions": (f"codec.encoder={STRIDED}",),
    "hop 240, 6 stages": (
        f"codec.encoder={{{FRONT}, strides: [240]}}", "codec.quantizer.num_quantizers=6",
    ),
    "hop 160, 4 stages": (
        f"codec.encoder={{{FRONT}, strides: [160]}}", "codec.quantizer.num_quantizers=4",
    ),
    "latent of 32": ("codec.latent_dim=32",),
    "no lookahead": ("codec.decoder.lookahead=0",),
    "phases up to 2 kHz": ("losses.stft_settings.high=2000",),
    "phases at all frequencies": ("losses.stft_settings.high=null", "losses.stft=80"),
    "no phases": ("losses.stft=0",),
    "no mel": ("losses.mel=0",),
    "waveform L1 at 1500": ("losses.waveform=1500",),
    "commitment at 0.25": ("codec.quantizer.commitment_weight=0.25",),
    "three times the learning rate": ("optimizer.learning_rate=0.0021",),
    "learning rate falls over the last 140 of 420 steps": ("steps=420", "decay_steps=140"),
    "20 crops of 0.3 s": ("batch_size=20", "crops.seconds=0.3"),
    "5 crops of 1.2 s": ("batch_size=5", "crops.seconds=1.2"),
    "STFT discriminators from step 200": ("adversarial_start=200",),
    "period discriminators from step 200": (
        "adversarial_start=200",
        "discriminators=[{kind: multi_period, periods: [2, 3, 5], channels: [8, 16, 32, 64, 64]}]",
    ),
}  # fmt: skip
COLUMNS = ("mel_distance", "pesq_wb", "stoi")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    for name in ("config", "train", "valid", "output"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--seconds", type=int, default=120)
    args = parser.parse_args()
    results = [(name, run(name, changes, args)) for name, changes in ROWS.items()]
    print(page(results, args))


def command(changes: tuple[str, ...], args: argparse.Namespace, experiment: Path) -> list[str]:
    settings = [word for change in (*COMMON, *changes) for word in ("--set", change)]
    return [
        "codec", "train", "--config", str(args.config), "--train-data", str(args.train),
        "--valid-data", str(args.valid), "--output", str(experiment),
        "--cpu", "--threads", "1", *settings,
    ]  # fmt: skip


def run(name: str, changes: tuple[str, ...], args: argparse.Namespace) -> dict[str, Any]:
    """Scores of one row, kept in its folder; None of a score that cannot be had."""
    folder = args.output / name.replace(" ", "_").replace(":", "").replace(",", "")
    done = folder / "row.json"
    if not done.exists():
        folder.mkdir(parents=True, exist_ok=True)
        limited = ["timeout", "-s", "TERM", str(args.seconds)]
        subprocess.run(limited + command(changes, args, folder), check=False, capture_output=True)
        checkpoint = max((folder / "checkpoints").glob("step_*"))
        row: dict[str, Any] = {"steps": int(checkpoint.name.removeprefix("step_"))}
        for part in (0.5, 1.0):
            row[str(part)] = score(folder, checkpoint, part, args.valid)
        done.write_text(json.dumps(row))
    found: dict[str, Any] = json.loads(done.read_text())
    return found


def score(folder: Path, checkpoint: Path, part: float, valid: Path) -> dict[str, Any]:
    """Means of the metrics at `part` of the stages."""
    settings = load_config(TrainConfig, folder / "config.yaml").codec.quantizer
    stages = round(part * settings.num_quantizers)
    evaluate = [
        "codec", "evaluate", "--data", str(valid), "--model", str(checkpoint),
        "--num-quantizers", str(stages), "--metrics", ",".join(COLUMNS), "--no-report",
        "--output", str(folder / f"scores_{stages}"), "--jobs", "1", "--threads", "1", "--json",
    ]  # fmt: skip
    summary = json.loads(subprocess.run(evaluate, stdout=subprocess.PIPE, check=False).stdout)
    means: dict[str, Any] = {name: summary["metrics"][name]["mean"] for name in COLUMNS}
    return means


def page(results: list[tuple[str, dict[str, Any]]], args: argparse.Namespace) -> str:
    machine = environment()
    processor, torch = machine["processor"], machine["versions"]["torch"]
    titles = ("6 kbit/s: mel", "PESQ-wb", "STOI", "3 kbit/s: mel", "PESQ-wb", "STOI")
    lines = [
        "# Ablations of the embedded model",
        "",
        f"Written by `egs/speech/local/ablation.py`: {args.seconds} s of training a row on one "
        f"thread ({processor}, torch {torch}), from scratch, with one thing changed in "
        f"`{args.config}`; page written at commit {commit()}. Scores are means over the "
        "validation utterances; lower mel, higher PESQ and STOI are better. Steps differ where a "
        "step costs more or less, and where other work on the machine took time: differences of "
        "a few hundredths mean nothing.",
        "",
        f"| row | steps | {' | '.join(titles)} |",
        f"|---|{'---|' * (len(titles) + 1)}",
    ]
    for name, row in results:
        values = [row[part][metric] for part in ("1.0", "0.5") for metric in COLUMNS]
        cells = ["" if value is None else f"{value:.3f}" for value in values]
        lines.append(f"| {name} | {row['steps']} | {' | '.join(cells)} |")
    lines += ["", "Each row's command, in `egs/speech`:", "", "```bash"]
    for name, changes in ROWS.items():
        words = command(changes, args, args.output / "ROW")
        lines += [f"# {name}", f"timeout -s TERM {args.seconds} {shlex.join(words)}"]
    return "\n".join([*lines, "```"])


if __name__ == "__main__":
    main()
