"""One row of images: a small convolutional autoencoder around the quantizer, trained and measured.

It stops and resumes between rows only: a row takes minutes. The encoder ends in a norm without
weights, as that of the codecs for speech does.
"""

import copy
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from images import TRAIN, VALID, crops, photographs, tiles
from measure import bits_of, count, distortion, movement, usage
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.config import from_dict, load_config
from audiocodec.quantization import QUANTIZERS
from audiocodec.quantization.base import Quantizer
from audiocodec.training.schedule import seed_step

START_BATCHES = 16  # of latents that the quantizer starts from


@dataclass(frozen=True)
class ImageConfig:
    """conf/image.yaml says what each is."""

    latent_dim: int
    channels: int
    blocks: int
    crop: int
    batch_size: int
    steps: int
    autoencoder_steps: int
    learning_rate: float
    count_every: int


class Block(nn.Module):
    """x + two convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(8, channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


class Autoencoder(nn.Module):
    """Pixels (batch, 3, height, width) to a latent of an eighth of the size, and back."""

    def __init__(self, config: ImageConfig, quantizer: Quantizer) -> None:
        super().__init__()
        wide = config.channels
        blocks = [[Block(wide) for _ in range(config.blocks)] for _ in range(2)]
        self.down = nn.Sequential(
            nn.Conv2d(3, wide, 4, stride=4),
            *blocks[0],
            nn.Conv2d(wide, wide, 2, stride=2),
            Block(wide),
            nn.Conv2d(wide, config.latent_dim, 1),
        )
        self.quantizer = quantizer
        self.up = nn.Sequential(
            nn.Conv2d(config.latent_dim, wide, 3, padding=1),
            Block(wide),
            nn.ConvTranspose2d(wide, wide, 2, stride=2),
            *blocks[1],
            nn.ConvTranspose2d(wide, 3, 4, stride=4),
        )

    def encode(self, pixels: Tensor) -> Tensor:
        """The latent, of length sqrt(dim) at every position."""
        latent = self.down(2 * pixels - 1)
        return F.normalize(latent, dim=1) * latent.shape[1] ** 0.5

    def decode(self, latent: Tensor) -> Tensor:
        pixels: Tensor = self.up(latent) / 2 + 0.5
        return pixels


def preload() -> None:
    """Look whether the photographs are there.

    Raises:
        ConfigError: a package is missing.
    """
    photographs(TRAIN + VALID)


def run(row: dict[str, Any], args: Any, folder: Path) -> dict[str, Any]:
    """Train and measure."""
    config = load_config(ImageConfig, args.config, args.set)
    train, valid = (photographs(names) for names in (TRAIN, VALID))
    torch.manual_seed(row["seed"])
    options = dict(row["quantizer"])
    quantizer = QUANTIZERS.build(
        from_dict(QUANTIZERS[options.pop("kind")][0], options), config.latent_dim
    )
    model = Autoencoder(config, quantizer)
    training = _Training(model, config, train, row["seed"])
    for step in range(config.steps):
        training.step(step)
    with torch.no_grad():
        latent = model.eval().encode(tiles(valid, config.crop))
    return {
        "bits": bits_of(quantizer),
        "train": {name: value for name, value in training.curve[-1].items() if name != "step"},
        "valid": usage(count(quantizer, latent)) | distortion(quantizer, latent),
        "quality": quality(model, valid, config.crop),
        "seconds_a_step": median(training.seconds),
        "curve": training.curve,
    }


class _Training:
    """The loop, and the use of the codes along it."""

    def __init__(
        self, model: Autoencoder, config: ImageConfig, pictures: list[Tensor], seed: int
    ) -> None:
        self.model, self.config, self.pictures, self.seed = model, config, pictures, seed
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=config.learning_rate)
        self.curve: list[dict[str, Any]] = []
        self.seconds: list[float] = []
        self._former: tuple[Quantizer, Any] | None = None

    def step(self, number: int) -> None:
        """One update; the quantizer starts where the autoencoder ends."""
        config, quantizer = self.config, self.model.quantizer
        start = time.perf_counter()
        quantize = number >= config.autoencoder_steps
        if number == config.autoencoder_steps:
            with torch.no_grad():
                starts = [self._crops(number + at) for at in range(START_BATCHES)]
                quantizer.initialize(torch.cat([self.model.encode(part) for part in starts]))
        seed_step(self.seed, number, 0)
        pixels = self._crops(number)
        quantizer.before_step()
        latent, loss = self.model.encode(pixels), torch.zeros(())
        if quantize:
            latent, _, loss = quantizer(latent)
        loss = loss + (self.model.decode(latent) - pixels).abs().mean() * 10
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        quantizer.after_step(number)
        if quantize:
            self.seconds.append(time.perf_counter() - start)
        if quantize and (number + 1) % config.count_every == 0:
            self._count(number + 1)

    def _crops(self, number: int) -> Tensor:
        return crops(self.pictures, self.config.crop, self.config.batch_size, self.seed, number)

    @torch.no_grad()
    def _count(self, step: int) -> None:
        self.model.eval()
        quantizer = self.model.quantizer
        shifts = [tiles([p[:, at:, at:] for p in self.pictures], self.config.crop) for at in (0, 4)]
        counted = count(quantizer, self.model.encode(torch.cat(shifts)))
        point: dict[str, Any] = {"step": step} | usage(counted)
        if self._former is not None:
            point["unused_moved"] = movement(self._former[0], quantizer, self._former[1])
        self._former = copy.deepcopy(quantizer), counted
        self.curve.append(point)
        self.model.train()


@torch.no_grad()
def quality(model: Autoencoder, pictures: list[Tensor], size: int) -> dict[str, float]:
    """PSNR in dB and SSIM, means over tiles."""
    from skimage.metrics import structural_similarity

    real = tiles(pictures, size)
    latent = model.encode(real)
    fake = model.decode(model.quantizer.decode(model.quantizer.encode(latent))).clamp(0, 1)
    errors = (fake - real).square().flatten(1).mean(1).clamp_min(1e-10)
    similar = [
        structural_similarity(a.numpy(), b.numpy(), channel_axis=0, data_range=1.0)
        for a, b in zip(real, fake, strict=True)
    ]
    return {
        "psnr": float((-10 * errors.log10()).mean()),
        "ssim": float(sum(similar) / len(similar)),
    }
