"""Overlap-add of whole blocks, and what is common to the heads that use it."""

import math

from torch import Tensor, nn

from audiocodec.modules.streaming import StreamState, with_past

MAX_LOG_MAGNITUDE = math.log(1e2)  # clamped before exp: exp-then-clip has NaN gradients (0 * inf)


def overlap_add(layer: nn.Module, segments: Tensor, state: StreamState | None) -> Tensor:
    """Add up overlapping frames: (batch, frames, overlap, hop) -> (batch, frames, hop).

    Output block t is the sum over r of segment r of frame t - r.
    """
    overlap, frames = segments.shape[2], segments.shape[1]
    padded = with_past(layer, segments, overlap - 1, state)
    blocks = padded[:, overlap - 1 :, 0]
    for r in range(1, overlap):
        blocks = blocks + padded[:, overlap - 1 - r : overlap - 1 - r + frames, r]
    return blocks
