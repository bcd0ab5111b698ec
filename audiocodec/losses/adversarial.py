"""Adversarial losses, averaged over scales so that a weight does not depend on their number."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

Judged = list[tuple[Tensor, list[Tensor]]]  # (logits, feature maps) of each scale
Kind = Literal["hinge", "least_squares"]


def discriminator_loss(real: Judged, fake: Judged, kind: Kind) -> Tensor:
    """Real should score 1 or more (hinge) or 1, fake -1 or less or 0."""
    terms = []
    for (real_logits, _), (fake_logits, _) in zip(real, fake, strict=True):
        r, f = real_logits.float(), fake_logits.float()
        if kind == "hinge":
            terms.append(F.relu(1 - r).mean() + F.relu(1 + f).mean())
        else:
            terms.append((1 - r).square().mean() + f.square().mean())
    return torch.stack(terms).mean()


def generator_loss(fake: Judged, kind: Kind) -> Tensor:
    """Fake should score high (hinge: linear, never saturating) or 1."""
    if kind == "hinge":
        terms = [-logits.float().mean() for logits, _ in fake]
    else:
        terms = [(1 - logits.float()).square().mean() for logits, _ in fake]
    return torch.stack(terms).mean()
