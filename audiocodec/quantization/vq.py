"""Vector quantization with a codebook learned by gradients (van den Oord 2017, arXiv:1711.00937).

A latent z becomes the nearest row e of the codebook. With sg for "no gradient", equation 3 is

    loss = |sg(z) - e|^2 + commitment_weight |z - sg(e)|^2.

Only rows that were chosen move, which is how codebooks die: SimVQ and most others here are answers
to it.
"""

from dataclasses import dataclass

from torch import nn

from audiocodec.quantization.explicit import NearestConfig, NearestQuantizer, random_rows


@dataclass(frozen=True)
class VQConfig(NearestConfig):
    """`start: random` with `relative_loss: false` is the paper's."""


class VQ(NearestQuantizer):
    """One codebook of weights."""

    def __init__(self, config: VQConfig, latent_dim: int) -> None:
        super().__init__(config, latent_dim)
        self.codebook = nn.Parameter(random_rows(config, latent_dim))
