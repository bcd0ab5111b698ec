"""Feature matching (arXiv:1910.06711): the fake should look like the real inside the judges."""

from collections.abc import Sequence

import torch
from torch import Tensor

from audiocodec.discriminators.base import Judgement
from audiocodec.losses.distance import mean_absolute

MIN_MAGNITUDE = 1e-4  # of a map that distances are divided by


def feature_matching_loss(judgements: Sequence[Judgement]) -> Tensor:
    """Sum over the discriminators, by weight, of the mean distance over all their maps."""
    terms = []
    for judgement in judgements:
        scales = zip(judgement.real, judgement.fake, strict=True)
        distances = [
            map_distance(real, fake, judgement.config.normalised_features)
            for (_, real_maps), (_, fake_maps) in scales
            for real, fake in zip(real_maps, fake_maps, strict=True)
        ]
        terms.append(judgement.config.feature_weight * torch.stack(distances).mean())
    return torch.stack(terms).sum()


def map_distance(real: Tensor, fake: Tensor, normalised: bool) -> Tensor:
    """Mean |fake - real|, over mean |real| if `normalised`; no gradient for `real`."""
    distance = mean_absolute(fake, real)
    if not normalised:
        return distance
    return distance / real.detach().abs().mean(dtype=torch.float32).clamp_min(MIN_MAGNITUDE)
