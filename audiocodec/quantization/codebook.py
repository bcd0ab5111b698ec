"""From the weights of a quantizer to what the search needs: rows, norms, a bound on their error."""

from collections.abc import Callable

import torch
from torch import Tensor

from audiocodec.quantization.frozen import largest_length
from audiocodec.quantization.search import UNIT, Codebook, whole_float32, wide

ROWS_AT_ONCE = 1024


def by_parts(make: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """`make(rows)`, a part at a time, written in place.

    Results kept one by one would each end up where a freed temporary was, and the next temporary
    would take new memory: a second codebook's worth, before the search has begun.
    """
    part = make(rows[:ROWS_AT_ONCE])
    made = part.new_empty(len(rows), *part.shape[1:])
    made[:ROWS_AT_ONCE] = part
    for start in range(ROWS_AT_ONCE, len(rows), ROWS_AT_ONCE):
        made[start : start + ROWS_AT_ONCE] = make(rows[start : start + ROWS_AT_ONCE])
    return made


def explicit_codebook(rows: Tensor) -> Codebook:
    """The codes are the rows (K, dim) themselves, float32."""

    def norms_of(part: Tensor) -> Tensor:
        return wide(part).square().sum(1)

    def exact_norms(codes: Tensor) -> Tensor:
        return by_parts(lambda part: norms_of(rows[part]), codes)

    return Codebook(rows, by_parts(norms_of, rows), 0.0, exact_norms, largest_length(rows))


def mapped_codebook(
    rows: Tensor, weight: Tensor, radius: float | None = None, exact: bool = True
) -> Codebook:
    """The codes are `rows @ weight.T`, without ever forming them all.

    Args:
        rows: (K, dim).
        weight: (dim, dim), the map.
        radius: the largest length of a row, if known.
        exact: norms in float64, for weights that stay; in float32 at half the cost otherwise,
            with the bound on their error that the search then has to allow for.
    """
    rows, weight = rows.float(), weight.detach()
    radius = largest_length(rows) if radius is None else radius
    exact_weight = wide(weight)

    def norms_of(part: Tensor) -> Tensor:
        return (wide(part) @ exact_weight.T).square().sum(1)

    def exact_norms(codes: Tensor) -> Tensor:
        return by_parts(lambda part: norms_of(rows[part]), codes)

    if exact:
        return Codebook(rows, by_parts(norms_of, rows), 0.0, exact_norms, radius)
    weight = weight.float()
    with whole_float32(weight.device):
        norms = by_parts(lambda part: (part @ weight.T).square().sum(1), rows)
    return Codebook(rows, norms, _norm_error(weight, radius, norms), exact_norms, radius)


def _norm_error(weight: Tensor, radius: float, norms: Tensor) -> float:
    """Bound on the error of squared norms of products of `dim` terms in float32."""
    growth = (weight.shape[1] + 4) * UNIT
    longest = float(norms.max())
    shift = growth * float(torch.linalg.matrix_norm(weight)) * radius  # of a code, in length
    return 2 * longest**0.5 * shift + shift**2 + growth * longest
