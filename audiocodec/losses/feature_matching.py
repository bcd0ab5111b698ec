"""Feature matching (arXiv:1910.06711): the fake should look like the real inside the judges."""

import torch
from torch import Tensor

from audiocodec.losses.adversarial import Judged


def feature_matching_loss(real: Judged, fake: Judged, normalised: bool = True) -> Tensor:
    """L1 distance of feature maps, each over the mean magnitude of the real map if `normalised`."""
    terms = []
    for (_, real_maps), (_, fake_maps) in zip(real, fake, strict=True):
        for real_map, fake_map in zip(real_maps, fake_maps, strict=True):
            target = real_map.detach().float()
            distance = (fake_map.float() - target).abs().mean()
            scale = target.abs().mean().clamp_min(1e-4) if normalised else 1.0
            terms.append(distance / scale)
    return torch.stack(terms).mean()
