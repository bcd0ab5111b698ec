"""Rows for a codebook from a sample of latents: drawn frames or their clusters (Lloyd 1982)."""

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from audiocodec.quantization.codebook import explicit_codebook
from audiocodec.quantization.search import nearest, wide

Start = Literal["random", "sample", "kmeans"]

PASSES = 10
FEWEST_FRAMES = 2  # for each code; of fewer, clusters are hardly more than the frames
MOST_FRAMES = 32  # for each code; more hardly move a cluster
JITTER = 0.1  # of copies, where there are fewer frames than codes, in standard deviations


def starting_rows(frames: Tensor, count: int, start: Start, seed: int) -> Tensor:
    """(count, dim) from `frames` (n, dim): drawn at random, or clusters, if they are enough."""
    drawn = draw_frames(frames, count, seed)
    if start == "kmeans" and len(frames) >= FEWEST_FRAMES * count:
        return kmeans(thinned(frames, MOST_FRAMES * count), drawn)
    return drawn


def draw_frames(frames: Tensor, count: int, seed: int) -> Tensor:
    """`count` frames, none twice; where there are fewer, copies with some noise make up for it."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(max(len(frames), count), generator=generator)[:count]
    rows = frames[(order % len(frames)).to(frames.device)].float()
    if len(frames) >= count:
        return rows
    noise = torch.randn(rows.shape, generator=generator).to(rows.device)
    copied = (order >= len(frames)).to(rows.device).unsqueeze(1)
    return rows + copied * JITTER * frames.float().std(0, correction=0) * noise


def draw_rows(rows: Tensor, count: int, seed: int, step: int) -> Tensor:
    """`count` different rows, or all of them where there are not as many, in random order.

    A function of the rows, the seed and the step.
    """
    word = int(np.random.SeedSequence([seed, step]).generate_state(1)[0])
    generator = torch.Generator().manual_seed(word)
    return rows[torch.randperm(len(rows), generator=generator)[:count].to(rows.device)]


def thinned(frames: Tensor, most: int) -> Tensor:
    """Evenly spaced frames, `most` or up to twice as many."""
    return frames[:: max(len(frames) // most, 1)]


def kmeans(frames: Tensor, rows: Tensor, passes: int = PASSES) -> Tensor:
    """`rows` (K, dim) after some passes of k-means over `frames` (n, dim), n > K.

    A cluster that nobody chose starts again from one of the frames that are farthest from theirs.
    """
    exact = wide(frames)
    for _ in range(passes):
        chosen = nearest(exact, explicit_codebook(rows))
        counts = torch.bincount(chosen, minlength=len(rows))
        sums = torch.zeros(rows.shape, dtype=exact.dtype, device=rows.device)
        means = sums.index_add_(0, chosen, exact) / counts.clamp_min(1).unsqueeze(1)
        empty = (counts == 0).nonzero().squeeze(1)
        farthest = (exact - rows[chosen]).square().sum(1).topk(len(empty)).indices
        means[empty] = exact[farthest]
        rows = means.float()
    return rows
