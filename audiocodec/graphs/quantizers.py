"""Quantizers as graphs: latents (..., latent_dim) to codes (...,) a stage, and codes to latents.

Decoding is a table for every quantizer whose codes add up. Encoding searches as
`quantization/search.py` does: the smallest index wins among scores that float64 cannot tell apart.
"""

import copy
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from audiocodec.errors import ModelError
from audiocodec.graphs import functions
from audiocodec.graphs.builder import Scope, Value, concat
from audiocodec.quantization.base import Quantizer
from audiocodec.quantization.beams import compares_latents
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


class Found(NamedTuple):
    """codes: int64 (stages, batch, frames); gaps: between the two nearest codes, if asked for."""

    codes: Value
    gaps: Value | None


class NearestCode:
    """The search of one codebook: rows in the space that `inward` leads to."""

    def __init__(self, quantizer: Any) -> None:
        self.quantizer = quantizer
        self.keeps_distances = compares_latents(quantizer)

    @property
    def is_mapped(self) -> bool:
        """Whether the rows are a linear map of a basis."""
        return isinstance(self.quantizer, SimVQ) and bool(self.quantizer._is_mapped)

    @property
    def shift(self) -> torch.Tensor | None:
        """What is taken from the latent before distances are compared."""
        quantizer = self.quantizer
        if isinstance(quantizer, SimVQ) and self.keeps_distances:
            config = quantizer.config
            return quantizer.projection.bias if config.map != "identity" and config.bias else None
        return None

    def inward(self, x: Value) -> Value:
        """From latents to where codes are compared."""
        quantizer, scope = self.quantizer, x.scope
        if isinstance(quantizer, HVQ):
            return _down_the_levels(quantizer, x)
        if isinstance(quantizer, FactorizedVQ):
            return _unit(scope.linear(x, quantizer.project_in))
        if not self.keeps_distances:
            return _unit(x)
        return x if self.shift is None else x - scope.stored(self.shift)

    def rows(self, scope: Scope) -> Value:
        """What is compared, (K, dim)."""
        quantizer = self.quantizer
        if self.is_mapped:  # W basis[k]: in float64, since float32 would move the codes
            weight = scope.stored(quantizer.projection.weight, "float64").transpose(1, 0)
            mapped = scope.stored(quantizer.basis, "float64") @ weight
            return mapped if scope.dtype == "float64" else mapped.cast(scope.dtype)
        exact = copy.deepcopy(quantizer).double().eval()
        if isinstance(quantizer, SimVQ):
            return scope.stored(_like(exact._codebook().rows, quantizer.basis))
        return scope.stored(_like(exact._searched().rows, quantizer.codebook))

    def vectors(self, scope: Scope) -> Value:
        """What the codes add to the latent, (K, latent_dim)."""
        if self.is_mapped:
            rows = self.rows(scope)
            return rows if self.shift is None else rows + scope.stored(self.shift)
        return _vectors(self.quantizer, scope)


def _with_one(x: Value) -> Value:
    """(batch, frames, dim) with a last column of ones, to which a matrix product adds norms."""
    scope = x.scope
    return scope.op("Pad", x, scope.integers([0, 0, 0, 0, 0, 1]), scope.constant(1.0))


def _scoring(rows: Value, norms: Value, axis: int = 0) -> Value:
    """(..., dim + 1, K): the product of queries with a one and this is the score of each code."""
    turned = rows.transpose(1, 0) if axis == 0 else rows.transpose(0, 2, 1)
    return concat([turned * -2.0, norms.unsqueeze(axis)], axis=axis)


def _search(query: Value, scoring: Value, norms: Value, size: int, gaps: bool) -> list[Value]:
    """The code (batch, frames) of a query with a one, and its gap if asked for: then ties do not
    matter.

    scoring: see `_scoring`; norms: squared lengths of the codes, (K,).
    """
    scope = query.scope
    scores = query @ scoring
    length = query.reduce("SumSquare", -1, keep=True) - 1.0
    if gaps:
        code, best, second = _two_smallest(scores, size)
        two = scope.op("Sqrt", (concat([best, second]) + length).maximum(0.0))
        # A difference of squares over their sum: no cancellation of what is not one already.
        gap = (second - best) / two.reduce("Sum", -1, keep=True).maximum(1e-30)
        return [code, gap.squeeze(2)]
    largest = norms.reduce("Max", 0)
    tie = (largest + scope.op("Sqrt", length * largest) * 2.0) * TIE
    tied = scores <= scores.reduce("Min", -1, keep=True) + tie
    return [scope.op("ArgMax", tied.cast("int32"), axis=-1, keepdims=0)]


def _two_smallest(scores: Value, size: int) -> tuple[Value, Value, Value]:
    """Index (batch, frames) of the smallest, its value and the second's (batch, frames, 1).

    By way of the smallest of each of some parts: onnxruntime's reductions are vectorized, its TopK
    is not.
    """
    scope = scores.scope
    two = scope.integers([2])
    if size % _PARTS or size < 4 * _PARTS:
        values, indices = scope.ops("TopK", 2, scores, two, axis=-1, largest=0)
        best, second = values.split([1, 1])
        return indices.slice(2, 0, 1).squeeze(2), best, second
    width = size // _PARTS
    parts = scores.reshape(0, 0, _PARTS, width)
    lowest, part = scope.ops("TopK", 2, parts.reduce("Min", 3), two, axis=-1, largest=0)
    part = part.slice(2, 0, 1)  # where the smallest is
    inside = scope.op("GatherND", parts, part, batch_dims=2)  # (batch, frames, width)
    values, place = scope.ops("TopK", 2, inside, two, axis=-1, largest=0)
    code = (part * scope.integers(width) + place.slice(2, 0, 1)).squeeze(2)
    best, second = values.split([1, 1])
    return code, best, second.minimum(lowest.slice(2, 1, 2))


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


def _single(quantizer: Quantizer, x: Value, gaps: bool) -> list[Value]:
    """The codes (batch, frames) of a quantizer of one codebook, and the gaps if asked for."""
    if isinstance(quantizer, FSQ):
        return [_fsq(quantizer, x)]
    if isinstance(quantizer, LFQ):
        return [_lfq(quantizer, x)]
    if isinstance(quantizer, SimVQ | CodebookQuantizer):
        search = NearestCode(quantizer)
        rows = search.rows(x.scope)
        norms, query = rows.reduce("SumSquare", 1), _with_one(search.inward(x))
        return _search(query, _scoring(rows, norms), norms, quantizer.codebook_sizes[0], gaps)
    name = type(quantizer).__name__
    raise ModelError(_REFUSALS.get(name, f"a quantizer of type {name} has no ONNX translation"))


def _vectors(quantizer: Quantizer, scope: Scope) -> Value:
    """What the codes of one codebook add to the latent, (K, latent_dim)."""
    if isinstance(quantizer, SimVQ) and quantizer._is_mapped:
        return NearestCode(quantizer).vectors(scope)
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


def emit_codes(quantizer: Quantizer, x: Value, gaps: bool = False) -> Found:
    """The codes of all stages of latents (batch, frames, latent_dim).

    Raises:
        ModelError: a quantizer that has no translation.
    """
    if isinstance(quantizer, GroupedSimVQ):
        count = quantizer.config.num_groups
        parts = x.split([quantizer._groups()[0].latent_dim] * count)
        each = [emit_codes(g, p, gaps) for g, p in zip(quantizer._groups(), parts, strict=True)]
        codes = _interleaved([found.codes for found in each])
        between = [found.gaps for found in each if found.gaps is not None]
        return Found(codes, _interleaved(between) if between else None)
    stages = list(_stages(quantizer))
    if len(stages) > 1 and are_alike(quantizer):
        return _loop(stages, x, gaps)
    found = []
    for stage in stages:
        found.append(_single(stage, x, gaps))
        if len(found) < len(stages):
            x = x - _vectors(stage, x.scope).take(found[-1][0])
    codes, *others = (
        concat([value.unsqueeze(0) for value in values], axis=0)
        for values in zip(*found, strict=True)
    )
    return Found(codes, others[0] if others else None)


def _interleaved(groups: Sequence[Value]) -> Value:
    """Stages of all groups, (stages, batch, frames) each: the first of each group first."""
    scope, like = groups[0].scope, groups[0]
    joined = concat([group.unsqueeze(1) for group in groups], axis=1)
    shape = concat([scope.integers([-1]), like.length(1), like.length(2)])
    return scope.op("Reshape", joined, shape)


def are_alike(quantizer: Quantizer) -> bool:
    """Whether one search, in a loop, serves all stages."""
    same_size = len(set(quantizer.codebook_sizes)) == 1
    return same_size and all(map(compares_latents, quantizer.codebooks))


def _loop(stages: Sequence[Quantizer], x: Value, gaps: bool) -> Found:
    """A loop instead of a chain of nodes: sessions of onnxruntime start sooner."""
    scope, searches = x.scope, [NearestCode(stage) for stage in stages]
    rows, vectors, shifts = _stacked_tables(searches, scope)
    norms, size = rows.reduce("SumSquare", 2), stages[0].codebook_sizes[0]
    none = scope.constant(0.0)  # of the column of ones
    vectors = scope.op("Pad", vectors, scope.integers([0, 0, 0, 0, 0, 1]), none)
    shifts = scope.op("Pad", shifts, scope.integers([0, 0, 0, 1]), none)

    def body(x: Value, scoring: Value, norms: Value, vectors: Value, shift: Value) -> list[Value]:
        code, *gap = _search(x - shift, scoring, norms, size, gaps)
        return [x - vectors.take(code), code, *gap]

    outputs = ["int64", *([scope.dtype] if gaps else [])]
    tables = [_scoring(rows, norms, 1), norms, vectors, shifts]
    _, codes, *others = functions.scan([_with_one(x)], tables, body, outputs)
    return Found(codes, others[0] if others else None)


def _stacked_tables(searches: Sequence[NearestCode], scope: Scope) -> tuple[Value, Value, Value]:
    """Rows and vectors (stages, K, dim) and shifts (stages, dim) of stages that are alike."""
    if all(search.is_mapped and search.shift is not None for search in searches):
        quantizers, count = [search.quantizer for search in searches], len(searches)
        dim = quantizers[0].latent_dim
        basis = scope.stored(torch.stack([q.basis for q in quantizers]), "float64")
        weight = scope.joined([q.projection.weight for q in quantizers], "float64")
        rows = basis @ weight.reshape(count, dim, dim).transpose(0, 2, 1)
        rows = rows if scope.dtype == "float64" else rows.cast(scope.dtype)
        shifts = scope.joined([q.projection.bias for q in quantizers], scope.dtype)
        return rows, rows + shifts.reshape(count, 1, dim), shifts.reshape(count, dim)
    rows, vectors = (
        concat([make(search, scope).unsqueeze(0) for search in searches], axis=0)
        for make in (NearestCode.rows, NearestCode.vectors)
    )
    none = torch.zeros(searches[0].quantizer.latent_dim)
    each = [none if search.shift is None else search.shift for search in searches]
    return rows, vectors, scope.constant(torch.stack(each).detach().numpy())


def stacked_vectors(quantizer: Quantizer, scope: Scope) -> Value:
    """What the codes of stages that are alike add to the latent, (stages, K, latent_dim)."""
    return _stacked_tables([NearestCode(stage) for stage in _stages(quantizer)], scope)[1]


def _stages(quantizer: Quantizer) -> Iterator[Quantizer]:
    yield from quantizer.codebooks if isinstance(quantizer, ResidualStages | RQ) else [quantizer]


def margin_is_known(quantizer: Quantizer) -> bool:
    """Whether all stages compare distances in the latent's own space: a bound holds for them."""
    return all(map(compares_latents, quantizer.codebooks))


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
    if (
        len(stages) > 1
        and all(isinstance(stage, SimVQ) for stage in stages)
        and are_alike(quantizer)
    ):
        vectors = stacked_vectors(quantizer, scope)
        width: int = stages[0].latent_dim  # type: ignore[assignment]
        zero = scope.constant(np.zeros((1, width)))
        return concat([vectors.reshape(-1, width), zero], axis=0)
    total = sum(quantizer.codebook_sizes)
    if total > _MOST_ROWS:
        raise ModelError(f"codebooks of {total} codes are too large for the tables of a graph")
    rows = torch.cat(copy.deepcopy(quantizer).double().eval().vectors())
    return scope.stored(torch.cat([rows, torch.zeros_like(rows[:1])]).float())
