"""The gradient balancer of EnCodec (arXiv:2210.13438, section 3.4): weights are shares.

Each loss is differentiated with respect to the generator's output only. Its gradient is divided by
a running mean of its own norm, so that a term pulls by its share of the weights, whatever its scale
is. One backward of the weighted sum then runs through the generator.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError


@dataclass(frozen=True)
class BalancerConfig:
    decay: float = 0.999  # of the running means
    norm: float = 1.0  # of the balanced gradient of an example, were all terms aligned

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ConfigError(f"balancer decay is {self.decay}; give 0 or more and less than 1")


class Balancer(nn.Module):
    """Combines gradients; its buffers are the running means, saved and resumed with the rest."""

    sums: Tensor
    masses: Tensor

    def __init__(self, config: BalancerConfig, weights: Mapping[str, float]) -> None:
        """`weights` of all terms that may ever come, none of them negative."""
        super().__init__()
        self.config, self.weights = config, dict(weights)
        self.register_buffer("sums", torch.zeros(len(weights)))
        self.register_buffer("masses", torch.zeros(len(weights)))

    def forward(
        self,
        terms: Mapping[str, Tensor],
        output: Tensor,
        average: Callable[[Tensor], Tensor] = lambda norms: norms,
    ) -> Tensor:
        """The gradient to send on from `output` (batch, ...), which every term depends on.

        `average` takes the mean of a small tensor over processes, so that all stay alike.
        Graphs are kept: who needs them no more drops the terms.
        """
        used = [name for name in terms if self.weights[name] > 0]
        gradients = [
            torch.autograd.grad(terms[name], output, retain_graph=True)[0].float() for name in used
        ]
        norms = torch.stack([gradient.flatten(1).norm(dim=1).mean() for gradient in gradients])
        means = self._running_means(used, average(norms))
        total = sum(self.weights[name] for name in used)
        shares = torch.tensor([self.weights[name] / total for name in used], device=means.device)
        # A gradient of zero has no direction to be scaled up.
        factors = torch.where(means > 0, self.config.norm * shares / means.clamp_min(1e-30), 0)
        return torch.stack([f * g for f, g in zip(factors, gradients, strict=True)]).sum(0)

    @torch.no_grad()
    def _running_means(self, used: list[str], norms: Tensor) -> Tensor:
        """Of the norms so far, old ones forgotten; a norm that is not finite is left out."""
        names = list(self.weights)
        index = torch.tensor([names.index(name) for name in used], device=norms.device)
        finite = torch.isfinite(norms)
        keep = torch.where(finite, self.config.decay, 1.0)
        self.sums[index] = keep * self.sums[index] + (1 - keep) * norms.nan_to_num(0, 0, 0)
        self.masses[index] = keep * self.masses[index] + (1 - keep)
        return self.sums[index] / self.masses[index].clamp_min(1e-12)
