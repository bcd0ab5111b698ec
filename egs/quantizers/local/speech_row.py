"""One row of speech: a small codec trained by `Trainer`, then measured at its checkpoints.

All rows of a seed go on from one autoencoder, which the first of them trains: they differ by their
quantizer alone, and nothing is trained twice.
"""

import dataclasses
import json
import shutil
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import torch
from measure import bits_of, count, distortion, movement, usage
from torch import Tensor

from audiocodec.audio import read_waveform
from audiocodec.config import load_config
from audiocodec.data.data_dir import Utterance, read_data_dir
from audiocodec.data.loader import Batch
from audiocodec.evaluation.metrics import select
from audiocodec.evaluation.scoring import score_signals
from audiocodec.models.bundle import load_codec
from audiocodec.models.codec import Codec, pad_to_hop
from audiocodec.training.checkpoint import Start, checkpoint_folder, load_start
from audiocodec.training.config import TrainConfig
from audiocodec.training.trainer import Trainer

METRICS = ("mel_distance", "pesq_wb", "stoi")
FRAMES_A_CODE = 4  # 98 % of equally likely codes would be seen
FEWEST_FRAMES = 65_536
CURVE_SHARE = 8  # the codes along the training are counted on an eighth of the frames
VALID_SHARE = 4
OFFSETS = 4  # of frames within a hop: a few minutes of speech have few frames


def preload() -> None:
    """Load what libraries load late, once for all rows: each is a fork of this process."""
    torch.optim.AdamW([torch.zeros(1, requires_grad=True)])
    metrics, _ = select(METRICS)
    noise = np.random.default_rng(0).standard_normal(24_000).astype(np.float32) / 10
    score_signals(noise, noise, 24_000, metrics)


def run(row: dict[str, Any], args: Any, folder: Path) -> dict[str, Any]:
    """Train, or go on with it, and measure; the folder holds no checkpoints afterwards."""
    train, valid = read_data_dir(args.train), read_data_dir(args.valid)
    start = autoencoder(row["seed"], args, train, valid)
    quantizer = json.dumps(row["quantizer"])  # YAML reads JSON
    config = configured(args, f"codec.quantizer={quantizer}", f"seed={row['seed']}")
    trainer = TimedTrainer(config, folder, train, valid, cpu=True, start=start)
    trainer.run()
    frames = min(args.frames, max(FEWEST_FRAMES, FRAMES_A_CODE * 2 ** row["bits_asked"]))
    measured = measure(folder, config, train, valid[: args.scored], frames)
    shutil.rmtree(folder / "checkpoints")
    # Of an interrupted row, the steps since; None where only the measuring was left.
    seconds = median(trainer.seconds) if trainer.seconds else None
    return measured | {"seconds_a_step": seconds}


class TimedTrainer(Trainer):
    """`seconds`: of the processor, that each step took; other programs do not count."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.seconds: list[float] = []

    def train_step(self, batch: Batch) -> bool:
        start = time.process_time()
        taken = super().train_step(batch)
        self.seconds.append(time.process_time() - start)
        return taken


def configured(args: Any, *own: str) -> TrainConfig:
    """The configuration of the recipe with the options of the command, then `own`."""
    return load_config(TrainConfig, args.config, ["autoencoder_steps=0", *args.set, *own])


def autoencoder(
    seed: int, args: Any, train: Sequence[Utterance], valid: Sequence[Utterance]
) -> Start:
    """What all rows of a seed go on from: `args.start_steps` without a quantizer, trained once."""
    folder, steps = args.output / "starts" / str(seed), args.start_steps
    done = checkpoint_folder(folder, steps)
    if not done.exists():
        # A run ends with its quantizer started, so this one ends a step later.
        phases = (f"autoencoder_steps={steps}", f"save_every={steps}", f"steps={steps + 1}")
        quantizer = 'codec.quantizer={"kind": "simvq", "codebook_size": 2}'
        config = configured(args, quantizer, f"seed={seed}", "decay_steps=0", *phases)
        Trainer(config, folder, train, valid, cpu=True).run()
    return dataclasses.replace(load_start(done), matching=True)


def measure(
    folder: Path,
    config: TrainConfig,
    train: Sequence[Utterance],
    valid: Sequence[Utterance],
    frames: int,
) -> dict[str, Any]:
    """What the table has, from the checkpoints of a finished run."""
    curve = list(curve_of(folder, config, train, frames // CURVE_SHARE))
    codec = load_codec(checkpoint_folder(folder, config.steps))
    seen = latents_of(codec, train, frames)
    latent = latents_of(codec, valid, FEWEST_FRAMES // VALID_SHARE)
    return {
        "bits": bits_of(codec.quantizer),
        "train": usage(count(codec.quantizer, seen)),
        "valid": usage(count(codec.quantizer, latent)) | distortion(codec.quantizer, latent),
        "quality": quality(codec, valid),
        "curve": curve,
    }


def curve_of(
    folder: Path, config: TrainConfig, train: Sequence[Utterance], frames: int
) -> Iterator[dict[str, Any]]:
    """Use of the codes at every checkpoint, and how far the unused moved until the next."""
    former = None
    for step in range(config.save_every, config.steps + 1, config.save_every):
        codec = load_codec(checkpoint_folder(folder, step))
        counted = count(codec.quantizer, latents_of(codec, train, frames))
        point = {"step": step} | usage(counted)
        if former is not None:
            point["unused_moved"] = movement(former[0].quantizer, codec.quantizer, former[1])
        former = codec, counted
        yield point


@torch.no_grad()
def latents_of(codec: Codec, utterances: Sequence[Utterance], most: int) -> Tensor:
    """(1, dim, frames) of all utterances, each with its frames at several offsets; evenly chosen
    utterances where they would have many more than `most` frames.
    """
    hop, rate = codec.hop_length, codec.sample_rate
    seconds = sum(utterance.num_samples / utterance.sample_rate for utterance in utterances)
    every = max(1, round(seconds * OFFSETS * rate / hop / most))
    latents = []
    for utterance in utterances[::every]:
        waveform = torch.from_numpy(read_waveform(utterance.path, rate)[0])[None, None]
        for offset in range(0, hop, hop // OFFSETS):
            latents.append(codec.encoder(pad_to_hop(waveform[..., offset:], hop)))
    return torch.cat(latents, dim=2)


def quality(codec: Codec, utterances: Sequence[Utterance]) -> dict[str, float | None]:
    """Means over the utterances; None where a metric is defined for none of them."""
    metrics, _ = select(METRICS)
    found: dict[str, list[float]] = {name: [] for name in METRICS}
    for utterance in utterances:
        reference = read_waveform(utterance.path, codec.sample_rate)[0]
        degraded = codec.reconstruct(torch.from_numpy(reference)).numpy()
        values, _ = score_signals(reference, degraded, codec.sample_rate, metrics)
        for name, value in values.items():
            found[name].append(value)
    return {name: mean(values) if values else None for name, values in found.items()}
