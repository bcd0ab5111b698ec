"""VQ-WAE: the Wasserstein distance of latents to an evenly used codebook (Vuong et al. 2023,
arXiv:2302.05917).

A latent becomes its nearest code, with the straight-through gradient. What learns the codes, and
pulls latents to them, is the cost of transporting the latents to the codes such that each code
receives as much: with c_ik the squared distance over dimension and variance, and entropy e,

    max over p of   mean_i -e log(mean_k exp((p_k - c_ik) / e)) + mean_k p_k

(the semi-dual of entropic transport, Genevay et al. 2016). At the best potential p the plan is
softmax_k((p_k - c_ik) / e), and the gradient of the distance that of sum_ik plan_ik c_ik / n with
the plan held. The potential is a weight that ascends while all others descend; the paper has a
network for it.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import Quantized, at_least_float32, to_frames
from audiocodec.quantization.explicit import CodebookConfig, CodebookQuantizer, random_rows
from audiocodec.quantization.gradients import Gradient, pass_gradient
from audiocodec.quantization.soft import squared_distances


@dataclass(frozen=True)
class VqWaeConfig(CodebookConfig):
    transport_weight: float = 1.0
    entropy: float = 0.05  # relative to the variance of the latents
    gradient: Gradient = "straight_through"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.entropy <= 0:
            raise ConfigError(f"quantizer.entropy is {self.entropy}; give more than 0")


class VqWae(CodebookQuantizer):
    """One codebook of weights and the potential of its codes."""

    config: VqWaeConfig

    def __init__(self, config: VqWaeConfig, latent_dim: int) -> None:
        super().__init__(config, latent_dim)
        self.codebook = nn.Parameter(random_rows(config, latent_dim))
        self.potential = nn.Parameter(torch.zeros(config.codebook_size))

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = at_least_float32(latent)
        codes = self.encode(latent)
        with torch.autocast(latent.device.type, enabled=False):
            costs = squared_distances(to_frames(latent), self.codebook) / self.latent_dim
            costs = costs / self.loss_scale(latent)
            value, ascent = self.transport(costs)
        loss = self.config.transport_weight * value + ascent
        passed = pass_gradient(latent, self.decode(codes), self.config.gradient)
        return Quantized(passed, codes, loss)

    def transport(self, costs: Tensor) -> tuple[Tensor, Tensor]:
        """Of costs (n, K): the cost of the plan, for what the costs depend on, and a term of value
        0 whose descent makes the potential ascend.
        """
        entropy = self.config.entropy
        plan = ((self.potential - costs) / entropy).softmax(1).detach()
        soft = ((self.potential - costs.detach()) / entropy).logsumexp(1)
        dual = self.potential.mean() - entropy * soft.mean()
        return (plan * costs).sum(1).mean(), dual.detach() - dual
