"""VQGAN-LC: a projection of frozen clusters of features (Zhu et al. 2024, arXiv:2406.11837).

The codebook C holds k-means clusters of features and never changes; only a linear projector is
learned, code k is `W c_k + b`, and the loss is that of van den Oord 2017, whose codebook term
trains W and b. It differs from SimVQ in what is frozen: clusters instead of a Gaussian basis. The
paper takes its features from CLIP, a pretrained encoder of images; a codec has its own encoder,
which has been an autoencoder for some steps when `initialize` takes the clusters of its latents.
The clusters are stored with the weights.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiocodec.quantization.clustering import Start
from audiocodec.quantization.explicit import NearestConfig, NearestQuantizer, random_rows


@dataclass(frozen=True)
class VqganLCConfig(NearestConfig):
    start: Start = "kmeans"


class VqganLC(NearestQuantizer):
    """One codebook: a buffer of clusters and a linear map of it."""

    def __init__(self, config: VqganLCConfig, latent_dim: int) -> None:
        super().__init__(config, latent_dim)
        self.register_buffer("codebook", random_rows(config, latent_dim))
        self.projection = nn.Linear(latent_dim, latent_dim)

    def code_of(self, rows: Tensor) -> Tensor:
        projected: Tensor = self.projection(rows)
        return projected

    def _start(self, frames: Tensor) -> None:
        super()._start(frames)
        with torch.no_grad():
            nn.init.eye_(self.projection.weight)
            nn.init.zeros_(self.projection.bias)
