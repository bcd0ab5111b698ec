"""One update of the codec and its discriminators: the mathematics of training on one screen.

Both networks are judged at the same parameters: one forward of the real and one of the fake serve
the discriminators' loss, the adversarial loss and feature matching. Losses on the waveform are
differentiated down to the waveform first; one backward then runs through the codec. So the
generator's losses never compute a gradient for a discriminator's weights.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.feature_matching import feature_matching_loss
from audiocodec.training.config import LossConfig, TrainConfig

Terms = dict[str, Tensor]


@dataclass(frozen=True)
class Phase:
    """What a step does: a function of the step number alone, so that training can resume."""

    quantize: bool
    adversarial: bool

    @classmethod
    def at(cls, step: int, config: TrainConfig) -> "Phase":
        return cls(step >= config.autoencoder_steps, step >= config.adversarial_start)


@dataclass
class Update:
    """The networks, losses and the way to run backward; calling it leaves gradients in both."""

    codec: Any  # Codec, maybe wrapped for distribution
    discriminators: Any
    reconstruction: nn.ModuleDict  # name -> loss(real, fake), float32
    config: LossConfig
    backward: Callable[[Tensor], None]  # scales for half precision, accumulates over processes
    autocast: Callable[[], AbstractContextManager[Any]]

    def __call__(self, real: Tensor, num_quantizers: Tensor, phase: Phase) -> Terms:
        """Gradients of one batch (batch, 1, time); returns every term, unweighted."""
        with self.autocast():
            output = self.codec(real, num_quantizers, phase.quantize)
        fake = output.waveform.float()
        leaf = fake.detach().requires_grad_()
        terms = {name: loss(real, leaf) for name, loss in self.reconstruction.items()}
        total = sum(self.config.weight(name) * term for name, term in terms.items())
        if phase.adversarial:
            terms["discriminator"], adversarial = self._adversarial(real, leaf)
            total = total + sum(
                self.config.weight(name) * adversarial[name] for name in adversarial
            )
            terms |= adversarial
        (slope,) = torch.autograd.grad(total, leaf, retain_graph=phase.adversarial)
        if phase.adversarial:
            self.backward(terms["discriminator"])
        objective = (fake * slope).sum()  # its gradient is that of `total`
        if output.quantized is not None:
            terms["quantizer"] = output.quantized.loss
            objective = objective + self.config.quantizer * output.quantized.loss
        self.backward(objective)
        return {name: term.detach() for name, term in terms.items()}

    def _adversarial(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Terms]:
        with self.autocast():
            judgements = self.discriminators(real, fake)
        return discriminator_loss(judgements), {
            "adversarial": generator_loss(judgements),
            "feature_matching": feature_matching_loss(judgements),
        }
