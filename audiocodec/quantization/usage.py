"""How much of its codebooks a quantizer uses: counts, entropy, perplexity, dead codes, rank."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from audiocodec.quantization.base import Quantizer


@dataclass(frozen=True)
class CodebookUsage:
    """Usage of one codebook; entropy in bits is the rate that ideal entropy coding would need."""

    codebook_size: int
    used: int
    entropy: float
    total: int = 0  # codes counted

    @property
    def share(self) -> float:
        """Used codes over all codes."""
        return self.used / self.codebook_size

    @property
    def dead(self) -> int:
        """Codes that were never chosen."""
        return self.codebook_size - self.used

    @property
    def reachable(self) -> float:
        """The share that as many codes would use if all were equally likely."""
        return 1 - (1 - 1 / self.codebook_size) ** self.total

    @property
    def perplexity(self) -> float:
        """2**entropy: as many equally likely codes would have the same entropy."""
        return 2.0**self.entropy

    def report(self) -> dict[str, Any]:
        """All of it as plain values."""
        names = [
            "codebook_size",
            "total",
            "used",
            "dead",
            "share",
            "reachable",
            "entropy",
            "perplexity",
        ]
        return {name: getattr(self, name) for name in names}


class UsageCounter:
    """Counts of every code of every stage; counters of several processes can be added up."""

    def __init__(self, codebook_sizes: Sequence[int]) -> None:
        self.counts = [torch.zeros(size, dtype=torch.int64) for size in codebook_sizes]

    def update(self, codes: Tensor) -> None:
        """Count codes (batch, stages, *positions); fewer stages than counted are allowed."""
        for counts, stage in zip(self.counts, codes.transpose(0, 1), strict=False):
            counts += torch.bincount(stage.flatten().cpu(), minlength=len(counts))

    def merge(self, other: "UsageCounter") -> None:
        """Add the counts of `other`, of the same codebooks."""
        for counts, more in zip(self.counts, other.counts, strict=True):
            counts += more

    def add_up(self, over_processes: Callable[[Tensor], Tensor]) -> None:
        """Replace the counts by their sums over all processes, e.g. by `accelerator.reduce`."""
        self.counts = [over_processes(counts) for counts in self.counts]

    def per_codebook(self) -> list[CodebookUsage]:
        """Usage of each codebook so far; one without codes has entropy 0."""
        return [_usage(counts) for counts in self.counts]

    def summary_scalars(self) -> dict[str, float]:
        """The worst and the mean codebook, for logs."""
        codebooks = self.per_codebook()
        shares = [own.share for own in codebooks]
        perplexities = [own.perplexity for own in codebooks]
        return {
            "used_min": min(shares),
            "used_mean": sum(shares) / len(shares),
            "perplexity_min": min(perplexities),
            "perplexity_mean": sum(perplexities) / len(perplexities),
        }


def _usage(counts: Tensor) -> CodebookUsage:
    total = int(counts.sum())
    probabilities = counts[counts > 0].double() / max(total, 1)
    entropy = -(probabilities * probabilities.log2()).sum()
    return CodebookUsage(len(counts), int((counts > 0).sum()), float(entropy) + 0.0, total)


def usage_report(counter: UsageCounter, frame_rate: float) -> dict[str, Any]:
    """Plain values: nominal and entropy bitrate (bits/s) of all stages, and each stage."""
    stages = [stage for stage in counter.per_codebook() if stage.total]
    bits = sum(torch.tensor(float(stage.codebook_size)).log2().item() for stage in stages)
    return {
        "frames": max((stage.total for stage in stages), default=0),
        "nominal_bitrate": frame_rate * bits,
        "entropy_bitrate": frame_rate * sum(stage.entropy for stage in stages),
        "stages": [stage.report() for stage in stages],
    }


def map_ranks(quantizer: Quantizer) -> list[dict[str, float]]:
    """Rank of the map of every codebook, in the order of the codes; none where codes have no map.

    effective: exp of the entropy of the squared singular values, as shares (Roy and Vetterli
    2007); numerical: singular values above 1e-3 of the largest; full: their number.
    """
    maps = [getattr(codebook, "projection", None) for codebook in quantizer.codebooks]
    return [_rank(linear.weight.detach()) for linear in maps if linear is not None]


def _rank(weight: Tensor) -> dict[str, float]:
    values = torch.linalg.svdvals(weight.double())
    shares = values.square() / values.square().sum().clamp_min(torch.finfo(torch.float64).tiny)
    shares = shares[shares > 0]
    return {
        "full": len(values),
        "numerical": int((values > 1e-3 * values.max()).sum()),
        "effective": float((-(shares * shares.log()).sum()).exp()) if len(shares) else 0.0,
    }
