"""The nearest code of every query, exactly, without a table of queries times codes.

A code is `map(rows[k])`; its distance to a frame is, up to a constant of the frame,
`norms[k] - 2 query . rows[k]`, where a linear map has been moved from the codes to the query. The
search screens in float32, block by block, with a bound on what rounding can do to a score. Where
the bound leaves one code, that is the nearest. Where it leaves several, float64 decides; what
float64 cannot tell apart is a tie and goes to the smallest index. So block sizes, batches, threads
and devices do not change the result: it is the nearest code, not what an order of rounding made.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

UNIT = 2.0**-24  # rounding of float32, relative
TIE = 1e-12  # rounding of float64 with room to spare, relative to the largest score possible
BLOCK = (1024, 2048)  # queries, codes scored at once: 8 MB, within most caches
ACCELERATOR_BLOCK = (4096, 16_384)  # 268 MB
GROUP = 64  # codes whose smallest score is kept while screening
PAIRS = 16_384  # (query, code) pairs decided at once in float64
EXHAUSTIVE = 2**17  # scores up to which float64 does all: the screening has a fixed cost


@dataclass(frozen=True)
class Codebook:
    """What is searched: rows (K, dim) float32 and the squared norms (K,) of the mapped codes.

    norm_error: bound on the error of the norms, 0 if they are exact to float64.
    exact_norms: squared norms in float64 of codes (n,), for those that need a decision.
    radius: the largest length of a row.
    """

    rows: Tensor
    norms: Tensor
    norm_error: float
    exact_norms: Callable[[Tensor], Tensor]
    radius: float


def wide(x: Tensor) -> Tensor:
    """`x` in float64, or in float32 on devices that have no more."""
    return x.float() if x.device.type == "mps" else x.double()


@torch.no_grad()
def nearest(queries: Tensor, book: Codebook, block: tuple[int, int] | None = None) -> Tensor:
    """The code of each query (n, dim) in float64: int64 (n,). Not-a-number gets code 0.

    `block` is how many queries and codes are scored at once; by default what suits the device.
    """
    if block is None:
        block = BLOCK if queries.device.type == "cpu" else ACCELERATOR_BLOCK
    if len(queries) * len(book.rows) <= EXHAUSTIVE:
        return _decide_all(queries, book)
    codes = queries.new_zeros(len(queries), dtype=torch.int64)
    for start in range(0, len(queries), block[0]):
        own = queries[start : start + block[0]]
        screen = _Screen(own, book)
        with whole_float32(own.device):
            screen.run(block[1])
        codes[start : start + block[0]] = screen.decide()
    return codes


def _decide_all(queries: Tensor, book: Codebook) -> Tensor:
    every = torch.arange(len(book.rows), device=queries.device)
    norms = book.exact_norms(every) if book.norm_error else book.norms.to(queries.dtype)
    scores = torch.addmm(norms, queries, book.rows.to(queries.dtype).T, alpha=-2)
    # Not argmin: equal codes must tie although their scores were summed in different orders.
    ties = scores <= scores.amin(1, keepdim=True) + _tolerance(queries, book).unsqueeze(1)
    return ties.byte().argmax(1)


def _tolerance(queries: Tensor, book: Codebook) -> Tensor:
    """The difference of scores that float64 cannot tell from none, (n,)."""
    largest = book.norms.max().to(queries.dtype)
    return TIE * (largest + 2 * book.radius * torch.linalg.vector_norm(queries, dim=1))


class _Screen:
    """Which codes could be nearest to some queries: those within rounding of the best score."""

    def __init__(self, queries: Tensor, book: Codebook) -> None:
        self.queries, self.book = queries, book
        self.single, self.norms = queries.float(), book.norms.float()
        self.slack = 2 * self._bound(torch.linalg.vector_norm(self.single, dim=1))
        self.best = torch.full_like(self.slack, torch.inf)
        self.pairs: list[tuple[Tensor, Tensor, Tensor]] = []  # query, code, score

    def _bound(self, lengths: Tensor) -> Tensor:
        """The error of float32 scores, (n,): any order of summation stays within it (Higham,
        Accuracy and Stability of Numerical Algorithms, section 3.1)."""
        book, dim = self.book, self.queries.shape[1]
        product = 2 * book.radius * lengths
        return (dim + 4) * UNIT * product + 4 * UNIT * self.norms.max() + book.norm_error

    def run(self, codes: int) -> None:
        """Look at all codes, `codes` at a time."""
        width = -(-min(codes, len(self.norms)) // GROUP) * GROUP
        scores = self.single.new_empty(len(self.single), width)
        for start in range(0, len(self.norms), width):
            rows, norms = self.book.rows[start : start + width], self.norms[start : start + width]
            scores = scores[:, : -(-len(rows) // GROUP) * GROUP]
            scores[:, len(rows) :] = torch.inf  # beyond the end of the codebook: never wins
            torch.addmm(norms, self.single, rows.T, alpha=-2, out=scores[:, : len(rows)])
            self._keep(scores.unflatten(1, (-1, GROUP)), start)

    def _keep(self, scores: Tensor, start: int) -> None:
        """Keep what may be nearest of the scores (n, groups, GROUP) of codes from `start` on."""
        lowest = scores.amin(2)
        self.best = torch.minimum(self.best, lowest.amin(1))
        limit = self.best + self.slack
        query, group = (lowest <= limit.unsqueeze(1)).nonzero(as_tuple=True)
        found = scores[query, group]
        pair, member = (found <= limit[query].unsqueeze(1)).nonzero(as_tuple=True)
        code = start + GROUP * group[pair] + member
        self.pairs.append((query[pair], code, found[pair, member]))
        if sum(len(codes) for _, codes, _ in self.pairs) > 8 * PAIRS + len(self.queries):
            self._thin_out()

    def _thin_out(self) -> None:
        """Drop what later blocks have ruled out; if that is not enough, decide early."""
        query, code, score = map(torch.cat, zip(*self.pairs, strict=True))
        alive = score <= (self.best + self.slack)[query]
        query, code, score = query[alive], code[alive], score[alive]
        if len(query) > 4 * PAIRS:  # codes that lie on one another
            first = _decide(query, code, self.queries, self.book)
            query = (first >= 0).nonzero().squeeze(1)
            code, score = first[query], self.best[query]
        self.pairs = [(query, code, score)]

    def decide(self) -> Tensor:
        """The nearest code of each query, (n,)."""
        self._thin_out()
        query, code, _ = self.pairs[0]
        codes = torch.zeros_like(self.slack, dtype=torch.int64)
        codes[query] = code
        several = torch.bincount(query, minlength=len(codes))[query] > 1
        if several.any():
            decided = _decide(query[several], code[several], self.queries, self.book)
            codes = torch.where(decided >= 0, decided, codes)
        return codes


def _decide(query: Tensor, code: Tensor, queries: Tensor, book: Codebook) -> Tensor:
    """The nearest of the given codes of each query in float64, (n,); -1 for queries without."""
    unique, place = code.unique(return_inverse=True)
    score = book.exact_norms(unique)[place]
    for part in torch.arange(len(query), device=query.device).split(PAIRS):
        rows = book.rows[code[part]].to(queries.dtype)
        score[part] -= 2 * (queries[query[part]] * rows).sum(1)
    best = score.new_full((len(queries),), torch.inf).scatter_reduce(0, query, score, "amin")
    tied = score <= (best + _tolerance(queries, book))[query]
    last = torch.iinfo(torch.int64).max
    first = code.new_full((len(queries),), last)
    first = first.scatter_reduce(0, query[tied], code[tied], "amin")
    return first.masked_fill(first == last, -1)


@contextmanager
def whole_float32(device: torch.device) -> Iterator[None]:
    """Products of float32 keep its 24 bits: no TF32 or bfloat16 inside, no autocast."""
    former = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(former)
