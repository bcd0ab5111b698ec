"""The search returns the nearest code: against all distances in float64, whatever the blocks."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from audiocodec.quantization.basis import gaussian_basis
from audiocodec.quantization.codebook import explicit_codebook, mapped_codebook
from audiocodec.quantization.search import Codebook, nearest

CODES, DIM, QUERIES = 1500, 24, 300


def weight_of_rank(rank: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    left, right = (torch.randn(DIM, rank, generator=generator) for _ in range(2))
    return left @ right.T / rank**0.5


def all_squares(frames: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """Squared distances (frames, codes) in float64, without cancellation."""
    book = rows.double() @ weight.double().T
    return torch.stack([(frame.double() - book).square().sum(1) for frame in frames])


def near_bisectors(rows: Tensor, weight: Tensor, gap: float) -> Tensor:
    """Frames that two codes are almost equally near to: float32 cannot tell which is nearer."""
    generator = torch.Generator().manual_seed(1)
    book = rows.double() @ weight.double().T
    frames = book[torch.randint(len(book), (QUERIES,), generator=generator)]
    frames = frames + 0.3 * book.std() * torch.randn(frames.shape, generator=generator).double()
    first, second = torch.cdist(frames, book).topk(2, largest=False).indices.T
    normal = book[second] - book[first]
    middle = (book[first] + book[second]) / 2
    offset = ((middle - frames) * normal).sum(1) / normal.square().sum(1)
    return frames + (offset - gap).unsqueeze(1) * normal


@pytest.mark.parametrize("exact", [True, False], ids=["norms64", "norms32"])
@pytest.mark.parametrize("rank", [24, 1])
@pytest.mark.parametrize("block", [None, (300, 1500), (64, 128), (133, 1000)])
def test_the_nearest_code_is_found_where_float32_cannot_tell(rank, block, exact):
    rows, weight = gaussian_basis(CODES, DIM, seed=0), weight_of_rank(rank)
    frames = near_bisectors(rows, weight, gap=1e-9)
    queries = frames @ weight.double()
    book = mapped_codebook(rows, weight, exact=exact)
    found = nearest(queries, book, block)
    squares = all_squares(frames, rows, weight)
    excess = squares.gather(1, found.unsqueeze(1)).squeeze(1) - squares.amin(1)
    scale = book.norms.max() + 2 * book.radius * torch.linalg.vector_norm(queries, dim=1)
    assert float((excess / scale).max()) < 2e-12  # what float64 cannot tell apart, see TIE
    naive = torch.cdist(frames.float(), rows @ weight.T).argmin(1)
    assert (naive != found).float().mean() > 0.1


def test_ties_go_to_the_smallest_index_in_every_place():
    rows = gaussian_basis(1500, DIM, seed=0)
    twice = torch.cat(
        [rows, rows[torch.randperm(1500, generator=torch.Generator().manual_seed(0))]]
    )  # each code once more, anywhere
    queries = torch.randn(QUERIES, DIM, dtype=torch.float64)
    first = nearest(queries, explicit_codebook(rows))
    for block in (None, (100, 192), (7, 64)):
        assert torch.equal(nearest(queries, explicit_codebook(twice), block), first)
    small = torch.cat([rows[:50], rows[:50]])
    assert int(nearest(queries, explicit_codebook(small)).max()) < 50


def test_codes_that_lie_on_one_another_are_one_code(monkeypatch):
    monkeypatch.setattr("audiocodec.quantization.search.PAIRS", 64)
    rows = gaussian_basis(CODES, DIM, seed=0)
    queries = torch.randn(QUERIES, DIM, dtype=torch.float64)
    zero = mapped_codebook(rows, torch.zeros(DIM, DIM))
    assert not nearest(queries @ torch.zeros(DIM, DIM).double(), zero).any()
    same = explicit_codebook(rows[:1].repeat(CODES, 1))
    assert not nearest(queries, same).any()


def test_a_bound_holds_what_rounding_does():
    rows, weight = gaussian_basis(CODES, DIM, seed=0), weight_of_rank(24)
    single, double = (mapped_codebook(rows, weight, exact=exact) for exact in (False, True))
    error = (single.norms.double() - double.norms).abs().max()
    assert 0 < float(error) < single.norm_error


def test_queries_that_are_not_numbers_get_a_code():
    book = explicit_codebook(gaussian_basis(CODES, DIM, seed=0))
    queries = torch.randn(QUERIES, DIM, dtype=torch.float64)
    expected = nearest(queries, book)
    queries[3], queries[5, 1] = torch.nan, torch.inf
    found = nearest(queries, book)
    assert found[3] == 0 and 0 <= found[5] < CODES
    keep = torch.ones(QUERIES, dtype=torch.bool)
    keep[[3, 5]] = False
    assert torch.equal(found[keep], expected[keep])


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads Linux's counters")
def test_a_codebook_is_never_twice_in_memory():
    rows, weight = gaussian_basis(40_000, 256, seed=0), torch.eye(256)  # 41 MB
    mapped_codebook(rows[:2000], weight)
    Path("/proc/self/clear_refs").write_text("5")
    before = kilobytes("VmRSS")
    mapped_codebook(rows, weight)
    assert kilobytes("VmHWM") - before < 20_000


def kilobytes(counter: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(counter)))


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_low_precision_products_elsewhere_do_not_reach_the_search(precision):
    rows, weight = gaussian_basis(CODES, DIM, seed=0), weight_of_rank(24)
    queries = near_bisectors(rows, weight, gap=1e-6) @ weight.double()
    book = mapped_codebook(rows, weight)
    expected = nearest(queries, book)
    former = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(nearest(queries, book), expected)
        assert torch.get_float32_matmul_precision() == precision
    finally:
        torch.set_float32_matmul_precision(former)


@pytest.mark.gpu
def test_an_accelerator_finds_the_same_codes():
    rows, weight = gaussian_basis(CODES, DIM, seed=0), weight_of_rank(24)
    queries = near_bisectors(rows, weight, gap=1e-6) @ weight.double()
    expected = nearest(queries, mapped_codebook(rows, weight))
    book: Codebook = mapped_codebook(rows.cuda(), weight.cuda(), exact=False)
    assert torch.equal(nearest(queries.cuda(), book).cpu(), expected)
