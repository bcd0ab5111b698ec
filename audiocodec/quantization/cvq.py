"""CVQ: a codebook clustered online (Zheng and Vedaldi 2023, arXiv:2307.15139).

Codes learn by gradients, as in van den Oord 2017. After each step, with n_k of the B frames on code
k, a running usage N_k says how far the code is moved to an anchor, a frame of the batch:

    N_k <- decay N_k + (1 - decay) n_k / B
    a_k = exp(-10 N_k K / (1 - decay) - 0.001)
    e_k <- (1 - a_k) e_k + a_k anchor_k

so that a code which nobody chooses jumps to the anchor, and one that is used stays. Of the paper's
ways to choose anchors there are the closest frame to the code, and a random frame. Its contrastive
loss, off by default there, is left out.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from audiocodec.processes import rows_of_processes
from audiocodec.quantization.clustering import draw_rows
from audiocodec.quantization.codebook import explicit_codebook
from audiocodec.quantization.ema_vq import check_decay
from audiocodec.quantization.explicit import NearestConfig, NearestQuantizer, random_rows
from audiocodec.quantization.search import nearest, wide

SHARPNESS, MARGIN = 10.0, 1e-3  # of the paper's equation


@dataclass(frozen=True)
class CVQConfig(NearestConfig):
    decay: float = 0.99
    anchor: Literal["closest", "random"] = "closest"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_decay(self.decay)


class CVQ(NearestQuantizer):
    """One codebook of weights and a buffer of their usage."""

    config: CVQConfig
    usage: Tensor

    def __init__(self, config: CVQConfig, latent_dim: int) -> None:
        super().__init__(config, latent_dim)
        self.codebook = nn.Parameter(random_rows(config, latent_dim))
        self.register_buffer("usage", torch.zeros(config.codebook_size))

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        watched = self._watched()
        if watched is not None:
            frames, codes = (rows_of_processes(part) for part in watched)
            self.move(frames, codes, step)

    @torch.no_grad()
    def move(self, frames: Tensor, codes: Tensor, step: int = 0) -> None:
        """Count the `codes` (n,) of the frames (n, dim) and move codes to their anchors."""
        size, decay = self.config.codebook_size, self.config.decay
        counts = torch.bincount(codes, minlength=size).to(self.usage.dtype)
        self.usage.lerp_(counts / len(codes), 1 - decay)
        share = torch.exp(-self.usage * size * SHARPNESS / (1 - decay) - MARGIN).unsqueeze(1)
        self.codebook.lerp_(self._anchors(frames, step).to(self.codebook.dtype), share)

    def _anchors(self, frames: Tensor, step: int) -> Tensor:
        """A frame for each code, (K, dim)."""
        if self.config.anchor == "closest":
            return frames[nearest(wide(self.codebook), explicit_codebook(frames.float()))]
        rows = draw_rows(frames, len(frames), self.config.seed, step)
        return rows[torch.arange(self.config.codebook_size, device=rows.device) % len(rows)]
