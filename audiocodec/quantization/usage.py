"""How much of its codebooks a quantizer uses: counts, entropy, perplexity, dead codes."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class StageUsage:
    """Usage of one codebook; entropy in bits is the rate that ideal entropy coding would need."""

    codebook_size: int
    used: int
    entropy: float

    @property
    def share(self) -> float:
        """Used codes over all codes."""
        return self.used / self.codebook_size

    @property
    def perplexity(self) -> float:
        """2**entropy: as many equally likely codes would have the same entropy."""
        return 2.0**self.entropy


class UsageCounter:
    """Counts of every code of every stage; counters of several processes can be added up."""

    def __init__(self, codebook_sizes: Sequence[int]) -> None:
        self.counts = [torch.zeros(size, dtype=torch.int64) for size in codebook_sizes]

    def update(self, codes: Tensor) -> None:
        """Count codes (batch, stages, frames); fewer stages than counted are allowed."""
        for counts, stage in zip(self.counts, codes.transpose(0, 1), strict=False):
            counts += torch.bincount(stage.flatten().cpu(), minlength=len(counts))

    def stages(self) -> list[StageUsage]:
        """Usage of each stage so far; a stage without codes has entropy 0."""
        return [_usage(counts) for counts in self.counts]

    def summary_scalars(self) -> dict[str, float]:
        """The worst and the mean stage, for logs."""
        stages = self.stages()
        shares, perplexities = [s.share for s in stages], [s.perplexity for s in stages]
        return {
            "used_min": min(shares),
            "used_mean": sum(shares) / len(shares),
            "perplexity_min": min(perplexities),
            "perplexity_mean": sum(perplexities) / len(perplexities),
        }


def _usage(counts: Tensor) -> StageUsage:
    total = counts.sum().clamp_min(1)
    probabilities = counts[counts > 0].double() / total
    entropy = -(probabilities * probabilities.log2()).sum()
    return StageUsage(len(counts), int((counts > 0).sum()), float(entropy) + 0.0)
