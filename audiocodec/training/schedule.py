"""What depends on the step number alone: learning rate and the number of stages of each row."""

import numpy as np
import torch
from torch import Tensor

_STREAM = 1  # the crops draw from other Philox keys


def learning_rate_factor(step: int, warmup_steps: int, decay_steps: int, steps: int) -> float:
    """Linear warm-up, constant, linear decay to zero over the last `decay_steps` of `steps`.

    A constant middle lets a run be extended: only the decay has to be trained again.
    """
    rising = min(1.0, (step + 1) / max(warmup_steps, 1))
    falling = min(1.0, (steps - step) / max(decay_steps, 1))
    return max(0.0, rising * falling)


def draw_num_quantizers(
    seed: int, step: int, first_row: int, rows: int, num_quantizers: int, dropout: float
) -> Tensor:
    """Stages used by rows first_row ... first_row + rows - 1 of the global batch of `step`.

    With probability `dropout` a row uses a uniform number from 1 to all, else all; int64 (rows,).
    """
    counts = np.full(rows, num_quantizers)
    for row in range(rows):
        key = np.array([seed, _STREAM], dtype=np.uint64)
        counter = np.array([step, first_row + row, 0, 0], dtype=np.uint64)
        random = np.random.Generator(np.random.Philox(key=key, counter=counter))
        if random.random() < dropout:
            counts[row] = random.integers(1, num_quantizers, endpoint=True)
    return torch.from_numpy(counts.astype(np.int64))


def seed_step(seed: int, step: int, process: int) -> None:
    """Make torch's random numbers of a step a function of it, so that no state is to be saved."""
    words = np.random.SeedSequence([seed, step, process]).generate_state(2)
    torch.manual_seed(int(words[0]) << 31 ^ int(words[1]))
