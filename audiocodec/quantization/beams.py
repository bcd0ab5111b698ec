"""The codes of a frame's stages chosen together, by a beam search.

The nearest code of each stage in turn is not the best sequence of codes: a first code further away
may leave what the later stages meet better. A beam search goes through the stages with the best
beginnings of sequences, `beams` of them, and ends with the one whose sum is nearest to the latent
(as additive quantizers are encoded, Babenko and Lempitsky 2014, CVPR).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from audiocodec.quantization.base import Quantizer, from_frames, to_frames
from audiocodec.quantization.explicit import CodebookQuantizer
from audiocodec.quantization.factorized_vq import FactorizedVQ
from audiocodec.quantization.hvq import HVQ
from audiocodec.quantization.rq import RQ
from audiocodec.quantization.simvq import SimVQ
from audiocodec.quantization.stages import ResidualStages

_SCORES = 2**22  # at once: 32 MB
_WIDTH = 32  # of parts of the scores, of which only some are looked into


def compares_latents(codebook: Quantizer) -> bool:
    """Whether its code is the nearest in the latent's own space."""
    if isinstance(codebook, SimVQ):
        return codebook.config.distance != "cosine"
    return isinstance(codebook, CodebookQuantizer) and not isinstance(codebook, FactorizedVQ | HVQ)


def has_sequences(quantizer: Quantizer) -> bool:
    """Whether the codes of a frame are a sequence that can be searched: vectors that add up, each
    chosen by its distance to what the latent leaves for it.
    """
    stages = quantizer.codebooks
    residual = isinstance(quantizer, ResidualStages | RQ) and len(stages) > 1
    return residual and all(map(compares_latents, stages))


@torch.no_grad()
def best_sequences(latent: Tensor, vectors: Sequence[Tensor], beams: int) -> Tensor:
    """Codes (batch, stages, *positions) of a latent (batch, dim, *positions).

    Args:
        vectors: what the codes of each stage add, (codebook size, dim), in the latent's precision.
        beams: sequences to go on with, at most the size of a codebook; 1 takes the nearest code of
            each stage.
    """
    frames = to_frames(latent)
    size = max(1, _SCORES // (beams * max(map(len, vectors))))
    parts = [_search(part, vectors, beams) for part in frames.split(size)]
    return from_frames(torch.cat(parts), latent)


def _search(frames: Tensor, vectors: Sequence[Tensor], beams: int) -> Tensor:
    """Codes (frames, stages) of (frames, dim)."""
    residual = frames.unsqueeze(1)  # (frames, beams, dim)
    error = residual.square().sum(2)
    codes = torch.empty(len(frames), 1, 0, dtype=torch.int64, device=frames.device)
    for book in vectors:
        scores = torch.matmul(residual, book.t()).mul_(-2)
        scores.add_(book.square().sum(1)).add_(error.unsqueeze(2))
        error, place = _smallest(scores.flatten(1), beams)
        beam, code = (place // len(book)).unsqueeze(2), place % len(book)
        residual = residual.gather(1, beam.expand(-1, -1, residual.shape[2])) - book[code]
        codes = codes.gather(1, beam.expand(-1, -1, codes.shape[2]))
        codes = torch.cat([codes, code.unsqueeze(2)], dim=2)
    return codes[:, 0]


def _smallest(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` smallest of each row (rows, n) in their order, and their places.

    By way of the smallest of each of some parts: the others are in parts whose smallest are.
    """
    if scores.shape[1] % _WIDTH or scores.shape[1] < 4 * count * _WIDTH:
        values, places = scores.topk(count, largest=False)
        return values, places
    parts = scores.unflatten(1, (-1, _WIDTH))
    kept = parts.amin(2).topk(count, largest=False).indices
    inside = parts.gather(1, kept.unsqueeze(2).expand(-1, -1, _WIDTH)).flatten(1)
    values, places = inside.topk(count, largest=False)
    return values, kept.gather(1, places // _WIDTH) * _WIDTH + places % _WIDTH
