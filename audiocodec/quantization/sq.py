"""SQ: stochastic quantization that anneals itself (SQ-VAE, Takida et al. 2022, arXiv:2205.07547).

The Gaussian one with one variance for all (type I). In training the code of a latent z is drawn,

    q(k | z) = softmax_k(-|z - e_k|^2 / (2 v)),

and the loss is the expected squared error over twice the variance v less the entropy of the draw,
which is a free energy in closed form (log K makes it 0 for a uniform guess of no error):

    sum_k q_k |z - e_k|^2 / (2 v) + sum_k q_k log q_k + log K
        = log K - log sum_k exp(-|z - e_k|^2 / (2 v))

v is a weight. The loss asks for a large v, the reconstruction for little noise: as it improves, v
falls and the choice becomes the nearest code, which it is outside of training. The draw is handed
on with the gradient of the Gumbel-softmax, as in the paper, but as the code that was drawn instead
of a mixture, so that training decodes codes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.quantization.base import Quantized, at_least_float32, from_frames, to_frames
from audiocodec.quantization.explicit import CodebookConfig, CodebookQuantizer, random_rows
from audiocodec.quantization.gradients import pass_gradient
from audiocodec.quantization.soft import sample_code, squared_distances


@dataclass(frozen=True)
class SQConfig(CodebookConfig):
    """`relative_loss` divides the loss by the number of dimensions: v has the variance in it."""

    regularization_weight: float = 1.0
    temperature: float = 0.5  # of the Gumbel-softmax

    def __post_init__(self) -> None:
        super().__post_init__()
        check_temperature(self.temperature)


class SQ(CodebookQuantizer):
    """One codebook of weights and the logarithm of the variance."""

    config: SQConfig

    def __init__(self, config: SQConfig, latent_dim: int) -> None:
        super().__init__(config, latent_dim)
        self.codebook = nn.Parameter(random_rows(config, latent_dim))
        self.log_variance = nn.Parameter(torch.zeros(()))

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        latent = at_least_float32(latent)
        with torch.autocast(latent.device.type, enabled=False):
            scores = self.scores(to_frames(latent))
            chosen, mean = sample_code(scores, self.codebook, self.config.temperature)
            loss = self.free_energy(scores)
        codes = from_frames(chosen.unsqueeze(1), latent)
        if not self.training:
            codes = self.encode(latent)
        value = pass_gradient(from_frames(mean, latent), self.decode(codes), "straight_through")
        return Quantized(value, codes, self.config.regularization_weight * loss)

    def scores(self, frames: Tensor) -> Tensor:
        """-|z - e_k|^2 / (2 v) of frames (n, dim), (n, K)."""
        return -squared_distances(frames, self.codebook) / (2 * self.log_variance.exp())

    def free_energy(self, scores: Tensor) -> Tensor:
        """The loss above, the mean over frames, in nats; for a dimension if it is relative."""
        energy = torch.log(scores.new_tensor(scores.shape[1])) - scores.logsumexp(1).mean()
        return energy / self.latent_dim if self.config.relative_loss else energy

    def _start(self, frames: Tensor) -> None:
        """The variance is that of the error of nearest codes."""
        super()._start(frames)
        latent = frames.T.unsqueeze(0)
        error = (latent - self.decode(self.encode(latent))).square().mean()
        self.log_variance.copy_(error.clamp_min(1e-8 * frames.var().clamp_min(1e-8)).log())


def check_temperature(temperature: float) -> None:
    """Refuse what no softmax can be divided by."""
    if temperature <= 0:
        raise ConfigError(f"quantizer.temperature is {temperature}; give more than 0")
