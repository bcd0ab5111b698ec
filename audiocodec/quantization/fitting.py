"""Fitting the map of a codebook to data, beyond what mean and covariance say of it.

Like k-means (Lloyd 1982), but codes can only move together: given which code each frame chose, the
best map is the least-squares regression of the frames on the basis rows of their codes. Such a
regression forgets codes that nobody chose; here each of them takes part too, with the frame that it
was closest to winning. Where the data are not Gaussian (silence is a cluster of its own in all
speech) this brings codes into use and the error down at once; docs/simvq.md has the figures.
"""

import torch
from torch import Tensor

from audiocodec.quantization.codebook import explicit_codebook
from audiocodec.quantization.frozen import largest_length
from audiocodec.quantization.search import Codebook, nearest

PASSES = 40
PULL = 3  # weight of an unused code, in equal shares of the frames; 1 lets some escape again
ENOUGH = 0.99
MOST_CODES = 8192  # of a codebook that is fitted; more would take minutes
FEWEST_FRAMES = 4  # for each code and dimension: fewer leave codes unused by chance
MOST_FRAMES = 8  # for each code; more hardly move the fit
RIDGE = 1e-6  # relative to the mean square of the basis rows


def fit_map(
    frames: Tensor,
    basis: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    enough: float = ENOUGH,
) -> tuple[Tensor, Tensor | None]:
    """The map, among those that the passes come by, that leaves the fewest codes unused.

    Args:
        frames: (n, dim) sample of what will be quantized; evenly thinned if it is long.
        basis: (K, dim) of the codebook.
        weight, bias: (dim, dim) and (dim,), where to start from.
        enough: share of codes in use that ends the passes; more than 1 for all passes.

    Returns:
        weight and bias, float64; unchanged for a codebook of more than `MOST_CODES` or for too few
        frames.
    """
    weight, bias = weight.double(), None if bias is None else bias.double()
    if len(basis) > MOST_CODES or len(frames) < FEWEST_FRAMES * max(basis.shape):
        return weight, bias
    frames = frames.double()[:: max(len(frames) // (MOST_FRAMES * max(basis.shape)), 1)]
    rows = basis.double()
    inputs = rows if bias is None else torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
    solution = weight.T if bias is None else torch.cat([weight.T, bias.unsqueeze(0)])
    centre = frames.mean(0)  # the searches lose no digits to what all have in common
    best, fewest = solution, len(rows) + 1
    for _ in range(PASSES):
        codes = inputs @ solution - centre
        chosen, unused, won = _assign(frames - centre, codes)
        if len(unused) <= fewest:
            best, fewest = solution, len(unused)
        if len(unused) <= (1 - enough) * len(rows):
            break
        solution = _regress(frames, inputs, chosen, unused, won)
    return best[: rows.shape[1]].T, None if bias is None else best[-1]


def _assign(frames: Tensor, codes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The code of each frame, the codes of no frame, and the frame each of these nearly won."""
    chosen = nearest(frames, explicit_codebook(codes.float()))
    unused = (torch.bincount(chosen, minlength=len(codes)) == 0).nonzero().squeeze(1)
    # How much nearer to a frame x its own code e is than a code u, up to a constant of u:
    # |x - u|^2 - |x - e|^2 = |u|^2 + (2 x.e - |e|^2) - 2 x.u
    own = codes[chosen]
    margins = (own * (2 * frames - own)).sum(1)
    single = frames.float()
    book = Codebook(single, margins, 0.0, lambda at: margins[at], largest_length(single))
    return chosen, unused, nearest(codes[unused], book)


def _regress(frames: Tensor, inputs: Tensor, chosen: Tensor, unused: Tensor, won: Tensor) -> Tensor:
    """The map (inputs, dim) with the least squared error over the pairs of a frame and a code."""
    scale = (PULL * len(frames) / len(inputs)) ** 0.5
    pairs = torch.cat([inputs[chosen], scale * inputs[unused]])
    targets = torch.cat([frames, scale * frames[won]])
    gram = pairs.T @ pairs
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    return torch.linalg.solve(gram + ridge.to(gram.device), pairs.T @ targets)
