"""One code path for whole signals, pieces and batches: a causal layer keeps its past in a state.

`forward(x, state=None)`: without a state the past is silence (zeros at the layer's own input) and
nothing is kept, which is how whole signals are processed. With a state the layer takes its past
from it and leaves the new past there. So offline is streaming from an empty state.
"""

from collections.abc import Sequence

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

    @staticmethod
    def join(states: "Sequence[StreamState]") -> "StreamState":
        """One state of a batch from those of its rows; a row without past has had silence."""
        if len(states) == 1:
            return states[0]
        joined = StreamState()
        for layer in {layer: None for state in states for layer in state._past}:
            rows = [state._past.get(layer) for state in states]
            known = next(row for row in rows if row is not None)
            silence = tuple(torch.zeros_like(tensor) for tensor in known)
            columns = zip(*(silence if row is None else row for row in rows), strict=True)
            joined._past[layer] = tuple(torch.cat(column) for column in columns)
        return joined

    def split(self, rows: int) -> "list[StreamState]":
        """The states of the `rows` rows of a batch, each with memory of its own."""
        if rows == 1:
            return [self]
        states = [StreamState() for _ in range(rows)]
        for layer, tensors in self._past.items():
            for row, state in enumerate(states):
                state.put(layer, *(tensor[row : row + 1] for tensor in tensors))
        return states


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
