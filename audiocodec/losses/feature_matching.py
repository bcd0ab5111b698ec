"""Feature matching (arXiv:1910.06711): the fake should look like the real inside the judges."""

from collections.abc import Sequence

import torch
from torch import Tensor

from audiocodec.discriminators.base import DiscriminatorOutput
from audiocodec.losses.distance import mean_absolute
from audiocodec.processes import mean_over_processes

MIN_MAGNITUDE = 1e-4  # of a map that distances are divided by


def feature_matching_loss(outputs: Sequence[DiscriminatorOutput]) -> Tensor:
    """Sum over the discriminators, by weight, of the mean distance over all their maps.

    Distances are mean |fake - real|, over mean |real| (of all processes) if `normalised_features`;
    the real maps get no gradient.
    """
    terms = []
    for output in outputs:
        scales = zip(output.real, output.fake, strict=True)
        maps = [pair for (_, real), (_, fake) in scales for pair in zip(real, fake, strict=True)]
        distances = torch.stack([mean_absolute(fake, real) for real, fake in maps])
        if output.config.normalised_features:
            means = [real.detach().abs().mean(dtype=torch.float32) for real, _ in maps]
            magnitudes = mean_over_processes(torch.stack(means))
            distances = distances / magnitudes.clamp_min(MIN_MAGNITUDE)
        terms.append(output.config.feature_weight * distances.mean())
    return torch.stack(terms).sum()
