"""Functions of values; where onnxruntime has no float64 kernel, composed of operators that do."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from audiocodec.graphs.builder import Scope, Value


def layer_norm(x: Value, weight: Value | None, bias: Value | None, width: int, eps: float) -> Value:
    """Over the last axis, `width` wide."""
    scale = weight if weight is not None else x.scope.constant(np.ones(width))
    # Zeros instead of no bias: onnxruntime 1.32 crashes when it fuses a sum and a norm without.
    shift = bias if bias is not None else x.scope.constant(np.zeros(width))
    return x.scope.op("LayerNormalization", x, scale, shift, axis=-1, epsilon=eps)


def variance(x: Value, width: int) -> Value:
    """Over the last axis of (batch, time, width), (batch, time), roughly."""
    mean = x.reduce("Mean", 2)
    return x.reduce("SumSquare", 2) / float(width) - mean * mean


def elu(x: Value) -> Value:
    if x.scope.dtype == "float32":
        return x.scope.op("Elu", x)
    below = x.scope.op("Exp", x.minimum(0.0)) - 1.0
    return x.scope.op("Where", x > 0.0, x, below)


def asinh(x: Value) -> Value:
    """sign(x) log(|x| + sqrt(x^2 + 1)): onnxruntime's own is slow, and float32 only."""
    scope = x.scope
    size = scope.op("Abs", x)
    root = scope.op("Sqrt", size * size + 1.0)
    return scope.op("Sign", x) * scope.op("Log", size + root)


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
    """x Phi(x)."""
    if x.scope.dtype == "float32":
        return x.scope.op("Gelu", x)
    return x * (erf(x * math.sqrt(0.5)) + 1.0) * 0.5


_ERF_STEP, _ERF_END, _ERF_TERMS = 1 / 16, 6.0, 11


def erf(x: Value) -> Value:
    """To 1e-15: a Taylor series around the nearest point of a grid; 1 from 6 on.

    The derivatives of erf at a are 2 / sqrt(pi) exp(-a^2) times Hermite polynomials,
    d^(n+1) erf = 2 / sqrt(pi) (-1)^n H_n(a) exp(-a^2).
    """
    scope = x.scope
    size = scope.op("Abs", x).minimum(_ERF_END)
    cell = scope.op("Round", size * (1 / _ERF_STEP))
    rest = size - cell * _ERF_STEP
    index = cell.cast("int64")
    first, *others = _erf_series()[::-1]
    total = scope.constant(first).take(index)

    def horner(total: Value, coefficients: Value) -> list[Value]:
        inner = total.scope
        return [total * rest.seen_from(inner) + coefficients.take(index.seen_from(inner))]

    (total,) = scan([total], [scope.constant(np.stack(others))], horner, [])
    return scope.op("Sign", x) * total


def _erf_series() -> np.ndarray:
    """(terms, grid points): Taylor coefficients."""
    grid = np.arange(round(_ERF_END / _ERF_STEP) + 1) * _ERF_STEP
    rows = [np.array([math.erf(a) for a in grid])]
    hermite, former = np.ones_like(grid), np.zeros_like(grid)
    for n in range(_ERF_TERMS):
        factor = 2 / math.sqrt(math.pi) * (-1) ** n / math.factorial(n + 1)
        rows.append(factor * hermite * np.exp(-(grid**2)))
        hermite, former = 2 * grid * hermite - 2 * n * former, hermite
    return np.stack(rows)
