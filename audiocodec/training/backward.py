"""One update of the codec and its discriminators: the mathematics of training on one screen.

Both networks are judged at the same parameters: one forward of the real and one of the fake serve
the discriminators' loss, the adversarial loss and feature matching. Losses on the waveform are
differentiated down to the waveform first; one backward then runs through the codec. So the
generator's losses never compute a gradient for a discriminator's weights.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.balancer import Balancer
from audiocodec.losses.band import band_limited
from audiocodec.losses.feature_matching import feature_matching_loss
from audiocodec.losses.harmonic import HarmonicDistance
from audiocodec.losses.intelligibility import EnvelopeCorrelation
from audiocodec.losses.loudness import LoudnessDistance
from audiocodec.losses.spectral import MultiResolutionMel, MultiResolutionStft, waveform_l1
from audiocodec.processes import mean_over_processes
from audiocodec.training.config import (
    PERCEPTUAL_TERMS,
    WAVEFORM_TERMS,
    LossConfig,
    TrainConfig,
)

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """What a step does: a function of the step number alone, so that training can resume."""

    quantize: bool
    adversarial: bool
    step: int = 0
    perceptual: bool = True

    @classmethod
    def at(cls, step: int, config: TrainConfig) -> "Phase":
        return cls(
            step >= config.autoencoder_steps,
            step >= config.adversarial_start,
            step,
            step >= config.perceptual_start,
        )


class TrainingBatch(NamedTuple):
    """What a step trains on: rows of real sound, of what they are to be coded with, and of what
    they can be compared in.

    waveform: (batch, 1, time); num_quantizers: (batch,), how many to use; bandwidth: (batch,) in
    Hz, or None.
    """

    waveform: Tensor
    num_quantizers: Tensor
    bandwidth: Tensor | None = None

    def parts(self, count: int) -> "list[TrainingBatch]":
        """Equal parts of the rows."""
        bands = [None] * count if self.bandwidth is None else self.bandwidth.chunk(count)
        chunks = zip(
            self.waveform.chunk(count), self.num_quantizers.chunk(count), bands, strict=True
        )
        return [TrainingBatch(*chunk) for chunk in chunks]


class BackwardResult(NamedTuple):
    """terms: unweighted, detached scalars; codes: (batch, stages, frames), None as autoencoder."""

    terms: Terms
    codes: Tensor | None


@dataclass
class BackwardPass:
    """The networks, losses and their context; calling it adds gradients to both networks."""

    codec: Any  # Codec, maybe wrapped for distribution
    discriminators: Any
    reconstruction: nn.ModuleDict  # name -> loss(real, fake), float32
    config: LossConfig
    balancer: Balancer | None
    autocast: Callable[[], AbstractContextManager[Any]]
    sample_rate: int

    def __call__(self, batch: TrainingBatch, phase: Phase, scale: float = 1.0) -> BackwardResult:
        """Gradients, times `scale`, of one batch."""
        with self.autocast():
            output = self.codec(
                batch.waveform, batch.num_quantizers, phase.quantize, self.config.draws
            )
        fake = output.waveform.float()
        leaf = fake.detach().requires_grad_()
        real, heard = (self._heard(x, batch.bandwidth) for x in (batch.waveform, leaf))
        terms = {
            name: loss(real, heard)
            for name, loss in self.reconstruction.items()
            if phase.perceptual or name not in PERCEPTUAL_TERMS
        }
        if phase.adversarial:
            with self.autocast():
                judged = self.discriminators(real, heard[: len(real)])
            terms["adversarial"] = generator_loss(judged)
            terms["feature_matching"] = feature_matching_loss(judged)
        gradient = self.waveform_gradient(terms, leaf, scale, keep_graph=phase.adversarial)
        if phase.adversarial:
            terms["discriminator"] = discriminator_loss(judged)
            weights = list(self.discriminators.parameters())  # but not the waveform, again
            torch.autograd.backward(scale * terms["discriminator"], inputs=weights)
        objective = (fake * gradient).sum()  # its gradient is that of the terms, times `scale`
        codes = None
        if output.quantized is not None:
            terms["quantizer"], codes = output.quantized.loss, output.quantized.codes
            objective = objective + scale * self.config.quantizer * terms["quantizer"]
        objective.backward()
        return BackwardResult({name: term.detach() for name, term in terms.items()}, codes)

    def _heard(self, waveform: Tensor, bandwidth: Tensor | None) -> Tensor:
        if bandwidth is None:
            return waveform
        draws = len(waveform) // len(bandwidth)
        return band_limited(waveform, bandwidth.repeat(draws), self.sample_rate)

    def waveform_gradient(
        self, terms: Terms, fake: Tensor, scale: float, keep_graph: bool
    ) -> Tensor:
        """The gradient of the weighted terms with respect to `fake`, times `scale`."""
        scaled = {name: scale * term for name, term in terms.items()}
        gradient: Tensor
        if self.balancer is None:
            total = torch.stack([self.config.weight(n) * term for n, term in scaled.items()]).sum()
            (gradient,) = torch.autograd.grad(total, fake, retain_graph=keep_graph)
            return gradient
        # The balancer sees norms without the scale; a mean over the batch, as all terms are.
        gradient = self.balancer(scaled, fake, lambda norms: mean_over_processes(norms) / scale)
        return gradient / len(fake)


class WaveformL1(nn.Module):
    """Mean absolute difference of samples."""

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        return waveform_l1(real, fake)


def reconstruction_losses(config: LossConfig, sample_rate: int) -> nn.ModuleDict:
    """The losses of nonzero weight that need no discriminator."""
    losses = {
        "mel": MultiResolutionMel(config.mel_settings, sample_rate),
        "stft": MultiResolutionStft(config.stft_settings, sample_rate),
        "harmonic": HarmonicDistance(config.harmonic_settings, sample_rate),
        "loudness": LoudnessDistance(config.loudness_settings, sample_rate),
        "intelligibility": EnvelopeCorrelation(config.intelligibility_settings, sample_rate),
        "waveform": WaveformL1(),
    }
    return nn.ModuleDict({name: loss for name, loss in losses.items() if config.weight(name)})


def build_balancer(config: LossConfig) -> Balancer | None:
    """The balancer of the configuration, if it has one."""
    if config.balancer is None:
        return None
    return Balancer(config.balancer, {name: config.weight(name) for name in WAVEFORM_TERMS})
