"""Projections between a latent and the few dimensions in which some quantizers work."""

import torch
from torch import Tensor, nn

from audiocodec.quantization.search import wide

RIDGE = 1e-6  # relative to the mean square of the inputs


def principal_directions(frames: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Mean (dim,) of `frames` (n, dim) and the map (count, dim) to components of variance 1.

    The components are those of the largest variance; rows beyond the rank of the frames are drawn
    from the others, scaled alike.
    """
    exact = wide(frames)
    mean = exact.mean(0)
    spread = exact - mean
    variances, directions = torch.linalg.eigh(spread.T @ spread / max(len(frames) - 1, 1))
    order = torch.arange(count, device=frames.device) % len(variances)
    order = len(variances) - 1 - order
    floor = variances.amax().clamp_min(torch.finfo(torch.float32).tiny) * 1e-6
    scales = variances.clamp_min(floor).rsqrt()[order].unsqueeze(1)
    return mean.to(frames.dtype), (directions.T[order] * scales).to(frames.dtype)


def fit_linear(layer: nn.Linear, inputs: Tensor, targets: Tensor) -> None:
    """Set `layer` to the least-squares map of `inputs` (n, in) to `targets` (n, out)."""
    exact, aims = wide(inputs), wide(targets)
    centre, aim = exact.mean(0), aims.mean(0)
    spread = exact - centre
    gram = spread.T @ spread
    ridge = RIDGE * gram.diagonal().mean().clamp_min(torch.finfo(torch.float32).tiny)
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    weight = torch.linalg.solve(gram + ridge * eye, spread.T @ (aims - aim)).T
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(aim - weight @ centre)
