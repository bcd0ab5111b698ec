"""What happened since the last report: mean terms, use of the codes, speed."""

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from audiocodec.quantization.usage import UsageCounter


class Window:
    """Collects steps; counts of codes stay on the device until they are asked for."""

    def __init__(self, codebook_sizes: Sequence[int], device: torch.device) -> None:
        self._sizes = list(codebook_sizes)
        self._counts = torch.zeros(
            len(self._sizes), max(self._sizes), dtype=torch.int64, device=device
        )
        self.clear()

    def clear(self) -> None:
        """Start anew."""
        self._sums: dict[str, float] = defaultdict(float)
        self._terms: dict[str, int] = defaultdict(int)
        self._counts.zero_()
        self.steps = self.skipped = 0
        self._start = time.monotonic()

    def add(self, terms: Mapping[str, float], codes: Sequence[Tensor]) -> None:
        """Count a step: its terms, and its codes, each (batch, stages, frames)."""
        self.steps += 1
        for name, value in terms.items():
            self._sums[name] += value
            self._terms[name] += 1
        for part in codes:
            by_stage = part.transpose(0, 1).flatten(1)
            self._counts.scatter_add_(1, by_stage, torch.ones_like(by_stage))

    def skip(self) -> None:
        """Count a step that was not taken."""
        self.steps += 1
        self.skipped += 1

    @property
    def seconds(self) -> float:
        """Since the window was started."""
        return time.monotonic() - self._start

    def means(self) -> dict[str, float]:
        """Each term over the steps that had it."""
        return {name: total / self._terms[name] for name, total in self._sums.items()}

    def usage(self, add_up: Callable[[Tensor], Tensor]) -> UsageCounter | None:
        """Counts of all processes, by `add_up`; None if nothing was quantized."""
        counts = add_up(self._counts).cpu()
        if not int(counts.sum()):
            return None
        usage = UsageCounter(self._sizes)
        for own, row in zip(usage.counts, counts, strict=True):
            own += row[: len(own)]
        return usage
