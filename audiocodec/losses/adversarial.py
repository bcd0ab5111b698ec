"""Adversarial losses.

A discriminator's loss is a mean over its scales, so that its weight does not depend on their
number; the ensemble's is the sum of its members' by weight.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from audiocodec.discriminators.base import Judgement, Objective


def discriminator_loss(judgements: Sequence[Judgement]) -> Tensor:
    """What the discriminators minimise."""
    terms = []
    for judgement in judgements:
        scales = zip(judgement.real, judgement.fake, strict=True)
        objective = judgement.config.objective
        losses = [telling_loss(real, fake, objective) for (real, _), (fake, _) in scales]
        terms.append(judgement.config.weight * torch.stack(losses).mean())
    return torch.stack(terms).sum()


def generator_loss(judgements: Sequence[Judgement]) -> Tensor:
    """What the codec minimises, to be taken for real."""
    terms = []
    for judgement in judgements:
        objective = judgement.config.objective
        losses = [deceiving_loss(logits, objective) for logits, _ in judgement.fake]
        terms.append(judgement.config.weight * torch.stack(losses).mean())
    return torch.stack(terms).sum()


def telling_loss(real: Tensor, fake: Tensor, objective: Objective) -> Tensor:
    """Logits should be 1 or more for real, -1 or less for fake; or 1 and 0 (least squares)."""
    real, fake = real.float(), fake.float()
    if objective == "least_squares":
        return (1 - real).square().mean() + fake.square().mean()
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def deceiving_loss(fake: Tensor, objective: Objective) -> Tensor:
    """Logits of the fake should be high; or 1 or more (clamped); or 1 (least squares)."""
    fake = fake.float()
    if objective == "least_squares":
        return (1 - fake).square().mean()
    return F.relu(1 - fake).mean() if objective == "clamped_hinge" else -fake.mean()
