"""What all discriminators share: their options, their output, the scaling of what they judge."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

ScaleOutputs = list[tuple[Tensor, list[Tensor]]]  # (logits, feature maps) of each scale
Objective = Literal["hinge", "clamped_hinge", "least_squares"]

MIN_PEAK = 1e-2  # quieter crops are not raised to full scale: the gain is that of their gradient


@dataclass(frozen=True)
class DiscriminatorConfig:
    """How one discriminator counts; each kind adds its own architecture."""

    weight: float = 1.0  # of its adversarial losses, each a mean over its scales
    feature_weight: float = 1.0  # of its feature matching, a mean over its scales and maps
    objective: Objective = "hinge"
    normalised_features: bool = True  # distances of maps over the mean magnitude of the real map
    peak: float | None = None  # centre the real waveform and scale it to this peak; the fake alike,
    normalisation: Literal["real", "each"] = "real"  # or each by its own mean and gain, as DAC does


@dataclass(frozen=True)
class DiscriminatorOutput:
    """What one discriminator makes of a batch of real and of fake waveforms."""

    config: DiscriminatorConfig
    real: ScaleOutputs
    fake: ScaleOutputs


class Discriminator(nn.Module, ABC):
    """A set of networks (scales) that tell real waveforms from fake ones."""

    config: DiscriminatorConfig

    @abstractmethod
    def forward(self, waveform: Tensor) -> ScaleOutputs:
        """Judge (batch, 1, time); logits and feature maps start with the batch dimension."""

    def compare(self, real: Tensor, fake: Tensor) -> DiscriminatorOutput:
        """Judge both, on one scale if the configuration gives a `peak`."""
        if self.config.peak is not None:
            if self.config.normalisation == "each":
                real, fake = (scaled_alone(x, self.config.peak) for x in (real, fake))
            else:
                real, fake = scale_to_peak(real, fake, self.config.peak)
        return DiscriminatorOutput(self.config, self(real), self(fake))


def scale_to_peak(real: Tensor, fake: Tensor, peak: float) -> tuple[Tensor, Tensor]:
    """Remove the mean of `real` from both and multiply both by what brings `real` to `peak`.

    One shift and one gain an example, taken from the real waveform without gradient, so that the
    fake cannot be raised to full scale as it approaches silence (DAC normalises each by itself).
    """
    with torch.no_grad():
        mean = real.mean(-1, keepdim=True)
        gain = peak / (real - mean).abs().amax(-1, keepdim=True).clamp_min(MIN_PEAK)
    return (real - mean) * gain, (fake - mean) * gain


def scaled_alone(waveform: Tensor, peak: float) -> Tensor:
    """Without its mean and at `peak`, each example by itself; the gradient passes both.

    A fake near silence is raised to full scale, and its gradient with it, without bound.
    """
    centred = waveform - waveform.mean(-1, keepdim=True)
    return peak * centred / (centred.abs().amax(-1, keepdim=True) + 1e-9)


def conv2d(
    inputs: int,
    outputs: int,
    kernel: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
) -> nn.Conv2d:
    """A weight-normed convolution whose output has the size of its input over the stride."""
    padding = tuple((size - 1) * step // 2 for size, step in zip(kernel, dilation, strict=True))
    layer = nn.Conv2d(inputs, outputs, kernel, stride, (padding[0], padding[1]), dilation)
    normed: nn.Conv2d = weight_norm(layer)
    return normed
