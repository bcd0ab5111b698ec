"""How a Gaussian should be quantized with a given number of bits: reverse water-filling."""

import torch
from torch import Tensor

_BISECTIONS = 100


def water_level(variances: Tensor, bits: float) -> Tensor:
    """The level theta with sum(max(0, log2(variance / theta) / 2)) = `bits`.

    Components below the level get no bits and distortion = variance, the others distortion theta
    (Cover and Thomas, Elements of Information Theory, theorem 10.3.3).
    """
    high = variances.max().clamp_min(torch.finfo(variances.dtype).tiny)
    low = high * 2.0 ** (-2 * bits - 1)  # the top component alone would get more than all bits
    for _ in range(_BISECTIONS):
        level = (low * high).sqrt()
        spent = (variances / level).clamp_min(1).log2().sum() / 2
        low, high = (level, high) if spent > bits else (low, level)
    return (low * high).sqrt()


def codebook_map(latent: Tensor, codebook_size: int, centred: bool = True) -> tuple[Tensor, Tensor]:
    """Mean and map that give random codes the distribution of an optimal Gaussian codebook.

    Args:
        latent: (frames, dim) sample of what will be quantized.
        centred: false for codes without a bias, which have to spread around 0.

    Returns:
        bias (dim,) and map (dim, dim): codes are `basis @ map.T + bias` for a basis with rows of
        covariance I / dim. Their covariance is U max(0, lambda - theta) U.T: matching the full
        covariance instead would let the shortest code win nearly every frame.
    """
    frames = latent.double()
    mean = frames.mean(0) if centred else torch.zeros_like(frames[0])
    spreads = frames - mean
    variances, directions = torch.linalg.eigh(spreads.T @ spreads / max(len(frames) - 1, 1))
    variances = variances.clamp_min(0)
    level = water_level(variances, torch.tensor(float(codebook_size)).log2().item())
    spread = (variances - level).clamp_min(0).sqrt() * latent.shape[1] ** 0.5
    return mean, directions * spread @ directions.T
