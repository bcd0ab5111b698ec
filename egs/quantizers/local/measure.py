"""What a quantizer does to latents, of sound or of images alike."""

from typing import Any

import torch
from torch import Tensor

from audiocodec.quantization.base import Quantizer, to_frames
from audiocodec.quantization.rate_distortion import water_level
from audiocodec.quantization.usage import UsageCounter


def bits_of(quantizer: Quantizer) -> float:
    """Nominal bits of a frame."""
    sizes = torch.tensor(quantizer.codebook_sizes, dtype=torch.float64)
    return float(sizes.log2().sum())


@torch.no_grad()
def count(quantizer: Quantizer, latent: Tensor) -> UsageCounter:
    """The codes of a latent (batch, dim, *positions)."""
    counter = UsageCounter(quantizer.codebook_sizes)
    for part in latent.split(max(1, 4096 // latent[0, 0].numel())):
        counter.update(quantizer.encode(part))
    return counter


def usage(counter: UsageCounter) -> dict[str, float]:
    """Over the codes of a frame: those used, of all and of what chance lets as many frames use."""
    stages = counter.per_codebook()
    n = len(stages)
    return {
        "used": sum(stage.share for stage in stages) / n,
        "reachable": sum(stage.reachable for stage in stages) / n,
        "perplexity": sum(stage.perplexity for stage in stages) / n,
        "entropy_bits": sum(stage.entropy for stage in stages),
        "frames": stages[0].total,
    }


@torch.no_grad()
def distortion(quantizer: Quantizer, latent: Tensor) -> dict[str, float]:
    """The error over the variance, and over the least that as many bits leave of a Gaussian of the
    same covariance (theta below the water level, else the variance of the component).
    """
    frames = to_frames(latent).double()
    error = (quantizer.decode(quantizer.encode(latent)) - latent).square().mean()
    variances = torch.linalg.eigvalsh(torch.cov(frames.T, correction=0)).clamp_min(0)
    level = water_level(variances, bits_of(quantizer))
    return {
        "distortion": float(error / variances.mean()),
        "over_bound": float(error / torch.minimum(variances, level).mean()),
        "effective_dimensions": float(variances.sum() ** 2 / variances.square().sum()),
    }


@torch.no_grad()
def movement(before: Quantizer, after: Quantizer, counted: UsageCounter) -> float | None:
    """How far the codes moved that were not in use, over the deviation of all; None without any.

    `counted` says which codes are used, by the first of them.
    """
    moved, spread = [], []
    pairs = zip(before.vectors(), after.vectors(), counted.counts, strict=True)
    for old, new, counts in pairs:
        moved.append((new - old)[counts == 0].square().sum(1))
        spread.append((old - old.mean(0)).square().sum(1).mean())
    unused = torch.cat(moved)
    if not len(unused):
        return None
    return float((unused.mean() / torch.stack(spread).mean().clamp_min(1e-12)).sqrt())


def row_id(row: dict[str, Any]) -> str:
    """The name of a row's folder."""
    return f"{row['method']}_{row['bits_asked']}_{row['seed']}"
