"""One code path for whole signals, pieces and batches: a causal layer keeps its past in a state.

`forward(x, state=None)`: without a state the past is silence (zeros at the layer's own input) and
nothing is kept, which is how whole signals are processed. With a state the layer takes its past
from it and leaves the new past there. So offline is streaming from an empty state.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class StreamState:
    """What each layer remembers of its past: a table from layer to tensors, batch first."""

    def __init__(self) -> None:
        self._past: dict[nn.Module, tuple[Tensor, ...]] = {}

    def get(self, layer: nn.Module) -> tuple[Tensor, ...] | None:
        """The tensors that `layer` left, or None at the start of the stream."""
        return self._past.get(layer)

    def put(self, layer: nn.Module, *tensors: Tensor) -> None:
        """Keep `tensors` for the next piece; copies, since views would keep whole pieces alive."""
        self._past[layer] = tuple(tensor.detach().clone() for tensor in tensors)

    def reset(self, rows: Tensor) -> None:
        """Start the streams of the batch rows where the boolean `rows` (batch,) is true anew."""
        for tensors in self._past.values():
            for tensor in tensors:
                tensor[rows] = 0  # an empty past is silence


def with_past(layer: nn.Module, x: Tensor, size: int, state: StreamState | None) -> Tensor:
    """Prepend the last `size` steps that `layer` saw to `x` (batch, time, ...).

    Returns:
        (batch, size + time, ...); the new past is left in `state` if one is given.
    """
    if size == 0:
        return x
    past = state.get(layer) if state is not None else None
    if past is None:
        padded = F.pad(x, (0, 0) * (x.dim() - 2) + (size, 0))
    else:
        padded = torch.cat([past[0], x], dim=1)
    if state is not None:
        state.put(layer, padded[:, padded.shape[1] - size :])
    return padded
