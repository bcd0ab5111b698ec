"""Quantizers as graphs: latents (..., latent_dim) to codes (...,) a stage, and codes to latents.

Decoding is a table for every quantizer whose codes add up. Encoding searches as
`quantization/search.py` does: the smallest index wins among scores that float64 cannot tell apart.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from audiocodec.errors import ModelError
from audiocodec.graphs import functions
from audiocodec.graphs.builder import Scope, Value, concat
from audiocodec.quantization.base import Quantizer
from audiocodec.quantization.bsq import BSQ
from audiocodec.quantization.explicit import CodebookQuantizer
from audiocodec.quantization.factorized_vq import FactorizedVQ
from audiocodec.quantization.fsq import EPSILON, FSQ
from audiocodec.quantization.grouped import GroupedSimVQ
from audiocodec.quantization.hvq import HVQ
from audiocodec.quantization.lfq import LFQ
from audiocodec.quantization.rq import RQ
from audiocodec.quantization.search import TIE
from audiocodec.quantization.simvq import SimVQ
from audiocodec.quantization.stages import ResidualStages

_MOST_ROWS = 1 << 18  # of the tables that decode
_PARTS = 32  # of the scores of a frame, while the two best are looked for


@dataclass
class Margin:
    """Gaps between the two nearest codes of each frame, (batch, frames) a stage, in float32."""

    gaps: list[Value] = field(default_factory=list)


class NearestCode:
    """The search of one codebook: rows in the space that `inward` leads to."""

    def __init__(self, quantizer: Any) -> None:
        self.quantizer = quantizer
        self.exact = copy.deepcopy(quantizer).double().eval()
        self.keeps_distances = (
            isinstance(quantizer, SimVQ) and quantizer.config.distance != "cosine"
        )
        if isinstance(quantizer, CodebookQuantizer):
            self.keeps_distances = not isinstance(quantizer, FactorizedVQ | HVQ)

    def inward(self, x: Value) -> Value:
        """From latents to where codes are compared."""
        quantizer, scope = self.quantizer, x.scope
        if isinstance(quantizer, HVQ):
            return _down_the_levels(quantizer, x)
        if isinstance(quantizer, FactorizedVQ):
            return _unit(scope.linear(x, quantizer.project_in))
        if isinstance(quantizer, SimVQ):
            if quantizer.config.distance == "cosine":
                return _unit(x)
            if quantizer.config.map != "identity" and quantizer.config.bias:
                return x - scope.stored(quantizer.projection.bias)
        return x

    def rows(self, scope: Scope) -> Value:
        """What is compared, (K, dim)."""
        quantizer = self.quantizer
        if isinstance(quantizer, SimVQ):
            if quantizer._is_mapped:  # W basis[k]: in float64, since float32 would move the codes
                weight = scope.stored(quantizer.projection.weight, "float64").transpose(1, 0)
                mapped = scope.stored(quantizer.basis, "float64") @ weight
                return mapped if scope.dtype == "float64" else mapped.cast(scope.dtype)
            return scope.stored(_like(self.exact._codebook().rows, quantizer.basis))
        return scope.stored(_like(self.exact._searched().rows, quantizer.codebook))

    def codes(self, x: Value, margin: Margin | None) -> Value:
        """Of latents (..., latent_dim), (...,) int64; `margin` gets the gaps, and minds no ties."""
        scope = x.scope
        query, rows = self.inward(x), self.rows(scope)
        norms = rows.reduce("SumSquare", 1)
        scores = query @ (rows.transpose(1, 0) * -2.0) + norms
        if margin is not None:
            codes, best, second = _two_smallest(scores, self.quantizer.codebook_sizes[0])
            length = query.reduce("SumSquare", -1)
            nearer, farther = (
                scope.op("Sqrt", (score + length).maximum(0.0)) for score in (best, second)
            )
            # A difference of squares over their sum: no cancellation of what is not one already.
            margin.gaps.append((second - best) / (nearer + farther).maximum(1e-30))
            return codes
        largest = scope.op("Sqrt", norms.reduce("Max", 0))
        lengths = scope.op("Sqrt", query.reduce("SumSquare", -1, keep=True))
        tie = (largest * largest + lengths * largest * 2.0) * TIE
        tied = scores <= scores.reduce("Min", -1, keep=True) + tie
        return scope.op("ArgMax", tied.cast("int32"), axis=-1, keepdims=0)


def _two_smallest(scores: Value, size: int) -> tuple[Value, Value, Value]:
    """Index and value of the smallest, value of the second, of the last axis.

    By way of the smallest of each of some parts: onnxruntime's reductions are vectorized, its TopK
    is not.
    """
    scope = scores.scope
    two = scope.integers([2])
    if size % _PARTS or size < 4 * _PARTS:
        values, indices = scope.ops("TopK", 2, scores, two, axis=-1, largest=0)
        best, second = (part.squeeze(-1) for part in values.split([1, 1]))
        return indices.slice(-1, 0, 1).squeeze(-1), best, second
    width = size // _PARTS
    parts = scores.reshape(0, 0, _PARTS, width)
    lowest, part = scope.ops("TopK", 2, parts.reduce("Min", 3), two, axis=-1, largest=0)
    part = part.slice(2, 0, 1)  # (batch, frames, 1): where the smallest is
    inside = scope.op("GatherND", parts, part, batch_dims=2)  # (batch, frames, width)
    values, place = scope.ops("TopK", 2, inside, two, axis=-1, largest=0)
    code = (part * scope.integers(width) + place.slice(2, 0, 1)).squeeze(2)
    second = values.slice(2, 1, 2).minimum(lowest.slice(2, 1, 2)).squeeze(2)
    return code, values.slice(2, 0, 1).squeeze(2), second


def _unit(x: Value) -> Value:
    length = x.scope.op("Sqrt", x.reduce("SumSquare", -1, keep=True))
    return x / length.maximum(1e-12)


def _down_the_levels(quantizer: HVQ, x: Value) -> Value:
    def mlp(layer: Any, x: Value) -> Value:
        hidden = functions.gelu(x.scope.linear(x, layer.hidden))
        return x + x.scope.linear(hidden, layer.output)

    for level in quantizer._levels()[:-1]:
        codes = x.scope.stored(level.codes)
        norms = codes.reduce("SumSquare", 1)
        scores = mlp(level.up, x) @ (codes.transpose(1, 0) * -2.0) + norms
        x = codes.take(x.scope.op("ArgMin", scores, axis=-1, keepdims=0))
    return mlp(quantizer._levels()[-1].up, x)


def _like(rows: torch.Tensor, stored: torch.Tensor) -> torch.Tensor:
    """The stored tensor instead of an equal one."""
    return stored if rows.shape == stored.shape and torch.equal(rows, stored.float()) else rows


def _fsq(quantizer: FSQ, x: Value) -> Value:
    scope, levels = x.scope, np.array(quantizer.config.levels)
    half = (levels - 1) * (1 + EPSILON) / 2
    offset = 0.5 * (levels % 2 == 0)
    projected = scope.linear(x, quantizer.project_in)
    bounded = scope.op("Tanh", projected + np.arctanh(offset / half)) * half - offset
    digits = scope.op("Round", bounded).cast("int64") + scope.integers(levels // 2)
    return (digits * scope.integers(quantizer.basis.numpy())).reduce("Sum", -1)


def _lfq(quantizer: LFQ, x: Value) -> Value:
    projected = x.scope.linear(x, quantizer.project_in)
    inward = _unit(projected) if isinstance(quantizer, BSQ) else projected
    bits = (inward > 0.0).cast("int64")
    return (bits * x.scope.integers(quantizer.powers.numpy())).reduce("Sum", -1)


def _single(quantizer: Quantizer, x: Value, margin: Margin | None) -> Value:
    """The codes of a quantizer of one codebook."""
    if isinstance(quantizer, FSQ):
        return _fsq(quantizer, x)
    if isinstance(quantizer, LFQ):
        return _lfq(quantizer, x)
    if isinstance(quantizer, SimVQ | CodebookQuantizer):
        return NearestCode(quantizer).codes(x, margin)
    name = type(quantizer).__name__
    raise ModelError(_REFUSALS.get(name, f"a quantizer of type {name} has no ONNX translation"))


def _vectors(quantizer: Quantizer, scope: Scope) -> Value:
    """What the codes of one codebook add to the latent, (K, latent_dim)."""
    if isinstance(quantizer, SimVQ) and quantizer._is_mapped:
        rows = NearestCode(quantizer).rows(scope)
        return rows + scope.stored(quantizer.projection.bias) if quantizer.config.bias else rows
    size = quantizer.codebook_sizes[0]
    if size > _MOST_ROWS:
        raise ModelError(f"a codebook of {size} codes is too large for the tables of a graph")
    exact = copy.deepcopy(quantizer).double().eval()
    with torch.no_grad():
        return scope.stored(exact.decode(torch.arange(size).view(1, 1, -1))[0].T.contiguous())


_REFUSALS = {
    "Qinco": "its codes mean what the codes before them make of them, which no table holds",
    "Sparse": "its codes come from an iteration over all atoms, which has no ONNX translation",
}


def emit_codes(quantizer: Quantizer, x: Value, margin: Margin | None = None) -> list[Value]:
    """The codes of all stages of latents (..., latent_dim), (...,) int64 each.

    Raises:
        ModelError: a quantizer that has no translation.
    """
    if isinstance(quantizer, GroupedSimVQ):
        count = quantizer.config.num_groups
        parts = x.split([quantizer._groups()[0].latent_dim] * count)
        each = [emit_codes(g, p, margin) for g, p in zip(quantizer._groups(), parts, strict=True)]
        return [codes for stage in zip(*each, strict=True) for codes in stage]
    codes: list[Value] = []
    stages = list(_stages(quantizer))
    for stage in stages:
        codes.append(_single(stage, x, margin))
        if len(codes) < len(stages):
            x = x - _vectors(stage, x.scope).take(codes[-1])
    return codes


def _stages(quantizer: Quantizer) -> Iterator[Quantizer]:
    yield from quantizer.codebooks if isinstance(quantizer, ResidualStages | RQ) else [quantizer]


def margin_is_known(quantizer: Quantizer) -> bool:
    """Whether all stages compare distances in the latent's own space: a bound holds for them."""
    return all(
        isinstance(stage, SimVQ | CodebookQuantizer) and NearestCode(stage).keeps_distances
        for stage in quantizer.codebooks
    )


def emit_latent(quantizer: Quantizer, codes: Value, scope: Scope) -> Value:
    """Codes (batch, n, frames) of any n stages, -1 where there is none, to (batch, frames, dim)."""
    table = _decoding_table(quantizer, scope)
    sizes = quantizer.codebook_sizes
    offsets = scope.integers(np.cumsum([0, *sizes[:-1]])).slice(0, 0, codes.length(1))
    absent = codes < scope.integers(0)
    rows = codes + offsets.unsqueeze(1)
    rows = scope.op("Where", absent, scope.integers(sum(sizes)), rows)
    return table.take(rows).reduce("Sum", 1)


def _decoding_table(quantizer: Quantizer, scope: Scope) -> Value:
    """(all codes of all stages, latent_dim), and a row of zeros."""
    stages = list(_stages(quantizer))
    if type(quantizer).__name__ == "Qinco":
        raise ModelError(_REFUSALS["Qinco"])
    if all(isinstance(stage, SimVQ) and stage._is_mapped for stage in stages):
        tables = [_vectors(stage, scope) for stage in stages]
        zero = scope.constant(np.zeros((1, stages[0].latent_dim)))
        return concat([*tables, zero], axis=0)
    total = sum(quantizer.codebook_sizes)
    if total > _MOST_ROWS:
        raise ModelError(f"codebooks of {total} codes are too large for the tables of a graph")
    vectors = torch.cat(copy.deepcopy(quantizer).double().eval().vectors())
    table = torch.cat([vectors, torch.zeros_like(vectors[:1])]).float()
    return scope.stored(table)
