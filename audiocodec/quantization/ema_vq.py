"""Vector quantization whose codes are moving averages of the latents that choose them.

The rule is that of van den Oord 2017 (arXiv:1711.00937, appendix A.1). In every step n frames of
sum s chose a code e of size N:

    N <- decay N + (1 - decay) n        N e <- decay N e + (1 - decay) s

As in SoundStream (arXiv:2107.03312) and EnCodec (arXiv:2210.13438), the codes start from k-means
and one that is hardly used any more is replaced by a random frame of the batch. "Hardly" is
relative to equal use here, so that it means the same for all sizes of codebook and batch.
The loss is the commitment alone. The update takes place once after each step, over the frames of
all processes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from audiocodec.errors import ConfigError
from audiocodec.processes import rows_of_processes, sum_over_processes
from audiocodec.quantization.clustering import Start, draw_rows
from audiocodec.quantization.explicit import NearestConfig, NearestQuantizer, random_rows


@dataclass(frozen=True)
class EmaVQConfig(NearestConfig):
    start: Start = "kmeans"
    decay: float = 0.99
    replace_below: float = 0.05  # of the mean size of a code; 0 replaces none

    def __post_init__(self) -> None:
        super().__post_init__()
        check_decay(self.decay)
        if not 0 <= self.replace_below < 1:
            raise ConfigError(f"quantizer.replace_below is {self.replace_below}; give 0 to below 1")


class EmaVQ(NearestQuantizer):
    """One codebook of averages: buffers, which no optimizer touches."""

    config: EmaVQConfig
    cluster_size: Tensor

    def __init__(self, config: EmaVQConfig, latent_dim: int) -> None:
        super().__init__(config, latent_dim)
        self.register_buffer("codebook", random_rows(config, latent_dim))
        self.register_buffer("cluster_size", torch.ones(config.codebook_size))

    def loss(self, latent: Tensor, chosen: Tensor) -> Tensor:
        return self.config.commitment_weight * (latent - chosen.detach()).square().mean()

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        watched = self._watched()
        if watched is not None:
            self.move(*watched)
            self._replace(watched[0], step)

    @torch.no_grad()
    def move(self, frames: Tensor, codes: Tensor) -> None:
        """Average in the frames (n, dim) that chose `codes` (n,)."""
        size, decay = self.config.codebook_size, self.config.decay
        counts = torch.bincount(codes, minlength=size).to(frames.dtype)
        sums = torch.zeros_like(self.codebook).index_add_(0, codes, frames.to(self.codebook.dtype))
        totals = sum_over_processes(torch.cat([counts.unsqueeze(1), sums], dim=1))
        counts, sums = totals[:, 0], totals[:, 1:]
        kept = decay * self.cluster_size
        self.cluster_size.copy_(kept + (1 - decay) * counts)
        chosen = counts > 0  # the others stay: their frames and their size decay alike
        weights = kept[chosen].unsqueeze(1)
        moved = weights * self.codebook[chosen] + (1 - decay) * sums[chosen]
        self.codebook[chosen] = moved / self.cluster_size[chosen].unsqueeze(1)

    def _replace(self, frames: Tensor, step: int) -> None:
        """Put random frames where codes died, and let them start with the size of the mean."""
        mean = self.cluster_size.mean()
        dead = (self.cluster_size < self.config.replace_below * mean).nonzero().squeeze(1)
        if not len(dead):  # the same in all processes
            return
        drawn = draw_rows(rows_of_processes(frames), len(dead), self.config.seed, step)
        dead = dead[: len(drawn)]
        self.codebook[dead] = drawn.to(self.codebook.dtype)
        self.cluster_size[dead] = mean


def check_decay(decay: float) -> None:
    """Refuse a value that cannot be the decay of a moving average."""
    if not 0 <= decay < 1:
        raise ConfigError(f"quantizer.decay is {decay}; give 0 to below 1, e.g. 0.99")
