"""Adversarial losses.

A discriminator's loss is a mean over its scales, so that its weight does not depend on their
number; the ensemble's is the sum of its members' by weight.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from audiocodec.discriminators.base import DiscriminatorOutput, Objective


def discriminator_loss(outputs: Sequence[DiscriminatorOutput]) -> Tensor:
    """What the discriminators minimise."""
    terms = []
    for output in outputs:
        scales = zip(output.real, output.fake, strict=True)
        objective = output.config.objective
        losses = [
            discriminator_scale_loss(real, fake, objective) for (real, _), (fake, _) in scales
        ]
        terms.append(output.config.weight * torch.stack(losses).mean())
    return torch.stack(terms).sum()


def generator_loss(outputs: Sequence[DiscriminatorOutput]) -> Tensor:
    """What the codec minimises, to be taken for real."""
    terms = []
    for output in outputs:
        objective = output.config.objective
        losses = [generator_scale_loss(logits, objective) for logits, _ in output.fake]
        terms.append(output.config.weight * torch.stack(losses).mean())
    return torch.stack(terms).sum()


def discriminator_scale_loss(real: Tensor, fake: Tensor, objective: Objective) -> Tensor:
    """Logits should be 1 or more for real, -1 or less for fake; or 1 and 0 (least squares)."""
    real, fake = real.float(), fake.float()
    if objective == "least_squares":
        return (1 - real).square().mean() + fake.square().mean()
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def generator_scale_loss(fake: Tensor, objective: Objective) -> Tensor:
    """Logits of the fake should be high; or 1 or more (clamped); or 1 (least squares)."""
    fake = fake.float()
    if objective == "least_squares":
        return (1 - fake).square().mean()
    return F.relu(1 - fake).mean() if objective == "clamped_hinge" else -fake.mean()
