"""SimVQ in the plane: which codes learn when each has its own row, all share a map, or both?

Prints JSON; `--figure FILE` draws it. Gradients are written out: the loss of a frame z that chose
code e_k = W c_k + b is |e_k - z|^2 / 2, with the error r = e_k - z.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

CODES, FRAMES, STEPS, NOISE, SEED = 60, 200, 400, 0.1, 0
RATE, ROW_RATE = 0.2, 5  # rows: times as fast; optimizers that normalise steps go further
MEAN, SPREAD = np.array([3.0, 2.0]), np.array([[0.9, 0.0], [0.7, 0.3]])
Array = np.ndarray


class Regime(NamedTuple):
    """What is trained."""

    basis: bool
    map: bool


REGIMES = {
    "plain VQ: rows": Regime(basis=True, map=False),
    "rows and map": Regime(basis=True, map=True),
    "SimVQ: map": Regime(basis=False, map=True),
}


class Book(NamedTuple):
    """Codes W c + b for the rows c of a basis."""

    basis: Array  # (codes, 2)
    weight: Array  # (2, 2)
    bias: Array  # (2,)

    @property
    def codes(self) -> Array:
        return self.basis @ self.weight.T + self.bias

    def nearest(self, frames: Array) -> Array:
        return np.square(frames[:, None] - self.codes).sum(-1).argmin(1)


def step(book: Book, frames: Array, regime: Regime, rate: float = RATE) -> Book:
    """One step along the gradient of the mean loss."""
    chosen = book.nearest(frames)
    errors = (book.codes[chosen] - frames) / len(frames)
    basis, weight, bias = book
    if regime.basis:
        moved = np.zeros_like(basis)
        np.add.at(moved, chosen, errors @ weight)  # W^T r, for chosen rows alone
        basis = basis - ROW_RATE * rate * moved
    if regime.map:
        weight = weight - rate * errors.T @ book.basis[chosen]  # r c^T
        bias = bias - rate * errors.sum(0)
    return Book(basis, weight, bias)


def learn(regime: Regime) -> tuple[Array, Book, Book]:
    """Frames, the book at the start and at the end."""
    draw = np.random.default_rng(SEED)
    start = book = Book(draw.standard_normal((CODES, 2)) / 2**0.5, np.eye(2), np.zeros(2))
    frames = MEAN + draw.standard_normal((FRAMES, 2)) @ SPREAD.T
    for _ in range(STEPS):
        noisy = frames + NOISE * draw.standard_normal(frames.shape)
        book = step(book, noisy, regime)
    return frames, start, book


def describe(frames: Array, start: Book, book: Book) -> dict[str, float]:
    chosen = book.nearest(frames)
    moved = np.linalg.norm(book.codes - start.codes, axis=1)
    return {
        "codes_used": len(np.unique(chosen)),
        "codes_moved": int((moved > 1e-9).sum()),
        "error": round(float(np.square(book.codes[chosen] - frames).sum(1).mean()), 4),
        "map_moved": round(float(np.linalg.norm(book.weight - start.weight)), 3),
    }


def draw(path: Path) -> None:
    """Frames, and where each code was and came to."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(
        1, len(REGIMES), figsize=(11, 3.6), sharex=True, sharey=True, layout="constrained"
    )
    for axis, (name, regime) in zip(axes, REGIMES.items(), strict=True):
        frames, start, book = learn(regime)
        used = describe(frames, start, book)["codes_used"]
        axis.plot(*frames.T, ".", color="lightgrey", label="latents")
        for before, after in zip(start.codes, book.codes, strict=True):
            axis.plot(*zip(before, after, strict=True), color="tab:blue", linewidth=0.4)
        axis.plot(*start.codes.T, "o", color="tab:blue", fillstyle="none", label="codes, start")
        axis.plot(*book.codes.T, "o", color="tab:red", markersize=4, label="codes, end")
        axis.set(title=f"{name}: {used} of {CODES} used", aspect="equal")
    axes[0].legend(fontsize="small", loc="lower right")
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--figure", type=Path, metavar="FILE")
    args = parser.parse_args()
    print(json.dumps({name: describe(*learn(own)) for name, own in REGIMES.items()}, indent=2))
    if args.figure:
        draw(args.figure)


if __name__ == "__main__":
    main()
