"""Optimizers, the norm of gradients, and the scale that keeps float16 gradients from vanishing."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from audiocodec.training.config import OptimizerConfig

INITIAL_SCALE, GROWTH_STEPS = 2.0**16, 2_000  # as torch's GradScaler


def build_optimizer(module: nn.Module, settings: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW; vectors (biases, norms, layer scales) are not decayed."""
    matrices = [p for p in module.parameters() if p.dim() > 1]
    vectors = [p for p in module.parameters() if p.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    betas = (settings.beta1, settings.beta2)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas, fused=True)


def gradients(module: nn.Module) -> list[Tensor]:
    """The gradients that a backward has left in `module`."""
    return [p.grad for p in module.parameters() if p.grad is not None]


@torch.no_grad()
def gradient_norm(grads: Iterable[Tensor]) -> Tensor:
    """The norm over all of them; not finite if one is not."""
    norms = torch._foreach_norm(list(grads))
    return torch.linalg.vector_norm(torch.stack(norms))


@torch.no_grad()
def scale_and_clip(
    grads: list[Tensor], norm: float, loss_scale: float, clip_norm: float | None
) -> None:
    """Undo `loss_scale` and bring the norm, which is without it, down to `clip_norm`."""
    factor = 1.0 if clip_norm is None else min(1.0, clip_norm / max(norm, 1e-12))
    if factor / loss_scale != 1:
        torch._foreach_mul_(grads, factor / loss_scale)


@dataclass
class LossScale:
    """Factor of the losses in float16; one for both networks, since they step together.

    (torch's and accelerate's scalers decide for each optimizer alone.)
    """

    value: float = 1.0
    good_steps: int = 0

    @classmethod
    def for_precision(cls, precision: str) -> "LossScale":
        """1 and constant but for float16."""
        return cls(INITIAL_SCALE if precision == "fp16" else 1.0)

    def grew(self) -> None:
        """A step was finite: after many of them, double."""
        self.good_steps += 1
        if self.value > 1 and self.good_steps % GROWTH_STEPS == 0:
            self.value *= 2

    def shrank(self) -> bool:
        """A step overflowed: halve, and say whether there was anything to halve."""
        self.good_steps = 0
        if self.value <= 2:  # never to 1, which would be the end of growing
            return False
        self.value /= 2
        return True
