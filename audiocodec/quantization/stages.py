"""Which stages of a stack each row of a batch uses."""

import torch
from torch import Tensor


def active_stages(stages: int, num_quantizers: int | Tensor | None, like: Tensor) -> Tensor:
    """1 where a row uses a stage, else 0: (stages, batch, 1, ...), to weigh latents `like` with.

    `num_quantizers` is a number for all rows, one for each (batch,), or None for all stages.
    """
    count = stages if num_quantizers is None else num_quantizers
    counts = torch.as_tensor(count, device=like.device).expand(like.shape[0])
    numbers = torch.arange(stages, device=like.device).unsqueeze(1)
    active = (numbers < counts).to(like.dtype)
    return active.view(*active.shape, *[1] * (like.dim() - 1))
