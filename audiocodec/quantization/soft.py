"""Choosing codes by chance: distances of frames to all codes, and samples with a gradient."""

import torch
from torch import Tensor


def squared_distances(frames: Tensor, codes: Tensor) -> Tensor:
    """(n, dim) and (K, dim) -> (n, K), with gradients to both.

    Both are taken relative to the mean code: what all have in common would use up the digits.
    """
    centre = codes.detach().mean(0)
    frames, codes = frames - centre, codes - centre
    products = torch.addmm(codes.square().sum(1), frames, codes.T, alpha=-2)
    return (products + frames.square().sum(1, keepdim=True)).clamp_min(0)


def sample_code(scores: Tensor, codes: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    """Draw code k with probability proportional to exp(score k) by the Gumbel-softmax trick
    (arXiv:1611.01144), with torch's generator.

    Args:
        scores: (n, K).
        codes: (K, dim).
        temperature: of the softmax that the gradient is that of.

    Returns:
        The codes drawn, (n,), and the mean code (n, dim) under the softmax, for its gradient.
    """
    noise = -torch.empty_like(scores).exponential_().log()
    noisy = scores + noise
    return noisy.argmax(1), (noisy / temperature).softmax(1) @ codes
