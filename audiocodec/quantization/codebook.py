"""From the weights of a quantizer to what the search needs: rows, norms, a bound on their error."""

import torch
from torch import Tensor

from audiocodec.quantization.frozen import largest_length
from audiocodec.quantization.search import UNIT, Codebook, whole_float32, wide

ROWS_AT_ONCE = 4096


def explicit_codebook(rows: Tensor) -> Codebook:
    """The codes are the rows (K, dim) themselves, float32."""

    def exact_norms(codes: Tensor) -> Tensor:
        return torch.cat([wide(rows[part]).square().sum(1) for part in codes.split(ROWS_AT_ONCE)])

    norms = torch.cat([wide(part).square().sum(1) for part in rows.split(ROWS_AT_ONCE)])
    return Codebook(rows, norms, 0.0, exact_norms, largest_length(rows))


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
        return torch.cat([norms_of(rows[part]) for part in codes.split(ROWS_AT_ONCE)])

    if exact:
        norms = torch.cat([norms_of(part) for part in rows.split(ROWS_AT_ONCE)])
        return Codebook(rows, norms, 0.0, exact_norms, radius)
    weight = weight.float()
    with whole_float32(weight.device):
        norms = torch.cat([(p @ weight.T).square().sum(1) for p in rows.split(ROWS_AT_ONCE)])
    return Codebook(rows, norms, _norm_error(weight, radius, norms), exact_norms, radius)


def _norm_error(weight: Tensor, radius: float, norms: Tensor) -> float:
    """Bound on the error of squared norms of products of `dim` terms in float32."""
    growth = (weight.shape[1] + 4) * UNIT
    longest = float(norms.max())
    shift = growth * float(torch.linalg.matrix_norm(weight)) * radius  # of a code, in length
    return 2 * longest**0.5 * shift + shift**2 + growth * longest
