"""Functions of values; where onnxruntime has no float64 kernel, composed of operators that do."""

import functools
import math
from collections.abc import Callable, Sequence

import torch

from audiocodec.graphs.builder import Scope, Value


def elu(x: Value) -> Value:
    if x.scope.dtype == "float32":
        return x.scope.op("Elu", x)
    below = x.scope.op("Exp", x.minimum(0.0)) - 1.0
    return x.scope.op("Where", x > 0.0, x, below)


def asinh(x: Value) -> Value:
    """sign(x) log(1 + u), u = |x| + x^2 / (1 + sqrt(1 + x^2)): onnxruntime's own is slow.

    What rounding leaves out of 1 + u is made good, which matters where x is small.
    """
    scope = x.scope
    size = scope.op("Abs", x)
    square = size * size
    u = size + square / (scope.op("Sqrt", square + 1.0) + 1.0)
    sum_ = u + 1.0
    log = scope.op("Log", sum_) + (u - (sum_ - 1.0)) / sum_
    return scope.op("Sign", x) * log


def scan(
    start: Sequence[Value],
    steps: Sequence[Value],
    body: Callable[..., Sequence[Value]],
    outputs: Sequence[str],
) -> list[Value]:
    """Run `body(*state, *step)`, which gives the next state and outputs, over the first axes of
    `steps`; the state and the steps are in the scope's precision, outputs of the types given.

    Returns the last state and all outputs, stacked.
    """
    scope = steps[0].scope
    inner = Scope(scope.names, scope.dtype)
    inputs = [inner.value(scope.names.new("step")) for _ in (*start, *steps)]
    made = body(*inputs)
    graph = inner.graph(inputs, made, [scope.dtype] * len(start) + list(outputs))
    return scope.ops("Scan", len(made), *start, *steps, body=graph, num_scan_inputs=len(steps))


def gelu(x: Value) -> Value:
    """x Phi(x) = (x + |x| erf |x / sqrt(2)|) / 2."""
    if x.scope.dtype == "float32":
        return x.scope.op("Gelu", x)
    size = x.scope.op("Abs", x)
    return (x + size * erf_of_positive(size * math.sqrt(0.5))) * 0.5


def int8_product(x: Value, weight: Value) -> Value:
    """`x @ weight` (.., K) (K, N) in integers of 8 bits, with a scale for each row and column.

    Rows have scales of their own, so that none depends on others of its batch or block. Weights are
    at most 63: on processors without VNNI two products must fit into 16 bits.
    """
    scope = x.scope
    column = scope.op("Abs", weight).reduce("Max", 0, keep=True).maximum(1e-30) / 63.0
    row = scope.op("Abs", x).reduce("Max", -1, keep=True).maximum(1e-30) / 127.0
    integers = scope.op("Round", weight / column).cast("int8")
    shifted = (scope.op("Round", x / row) + 128.0).cast("uint8")
    sums = scope.op("MatMulInteger", shifted, integers, scope.constant(128, "uint8"))
    return sums.cast(scope.dtype) * row * column


_ERF_STEP, _ERF_END = 1 / 256, 6.0


def erf_of_positive(x: Value) -> Value:
    """To 1e-14: a Taylor series around the nearest point of a grid; 1 from 6 on.

    The derivatives of erf at a are g = 2 / sqrt(pi) exp(-a^2) times Hermite polynomials: g, -2 a g,
    (4 a^2 - 2) g, -(8 a^3 - 12 a) g. The grid's tables stay in the nearest cache.
    """
    scope = x.scope
    x = x.minimum(_ERF_END)
    cell = scope.op("Round", x * (1 / _ERF_STEP))
    index, a = cell.cast("int64"), cell * _ERF_STEP
    rest = x - a
    square = a * a * (1 / 3)
    inner = square * 2.0 - 1 / 3 - rest * (a * (square - 0.5))
    change = rest * (1.0 - rest * (a - rest * inner))
    values, slopes = map(scope.stored, _erf_grid())
    return values.take(index) + slopes.take(index) * change


@functools.cache
def _erf_grid() -> tuple[torch.Tensor, torch.Tensor]:
    """erf and its derivative at the points of the grid, float64; tables of the model."""
    grid = torch.arange(round(_ERF_END / _ERF_STEP) + 1, dtype=torch.float64) * _ERF_STEP
    return grid.erf(), 2 / math.sqrt(math.pi) * (-grid.square()).exp()
