"""BSQ: binary spherical quantization (Zhao et al. 2024, arXiv:2406.07548).

As LFQ (lfq.py), but the projected latent is brought to length 1, u = x / |x|, and the code is the
nearest corner of the cube in the sphere, sign(u) / sqrt(bits). The error of quantization is then
bounded, and q(bit i) = sigmoid(4 u_i / (sqrt(bits) t)).
"""

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from audiocodec.quantization.lfq import LFQ, LFQConfig


@dataclass(frozen=True)
class BSQConfig(LFQConfig):
    temperature: float = 0.1


class BSQ(LFQ):
    """Codes (batch, 1, *positions) of corners of a cube, between two projections."""

    def inward(self, frames: Tensor) -> Tensor:
        return F.normalize(super().inward(frames), dim=-1)

    @property
    def size(self) -> float:
        return float(self.config.bits**-0.5)
