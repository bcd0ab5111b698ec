"""Entropy tables from codes: contexts are classes of codes with similar successors."""

from collections.abc import Sequence

import numpy as np

from audiocodec.containers.tables import MAX_CODEBOOK_SIZE, PRECISION, EntropyTables
from audiocodec.errors import CodeFileError

_SMOOTHING = 0.4  # counts a code that every context starts with, as the stage has them overall
_ITERATIONS = 15


def fit_tables(
    sequences: Sequence[np.ndarray], codebook_sizes: Sequence[int], num_classes: int = 32
) -> EntropyTables:
    """Tables for codes like `sequences`, each (num_quantizers, frames).

    Raises:
        CodeFileError: no codes, or codebooks too large for tables.
    """
    if not sequences or max(codebook_sizes) > MAX_CODEBOOK_SIZE or not 1 <= num_classes <= 255:
        raise CodeFileError(
            f"entropy tables need codes, codebooks of at most {MAX_CODEBOOK_SIZE} codes and 1 to "
            f"255 classes; found {len(sequences)}, {max(codebook_sizes)} and {num_classes}"
        )
    codes = np.concatenate(sequences, axis=1).astype(np.int64)
    first = np.zeros(codes.shape[1], dtype=bool)  # frames without a frame before
    first[np.cumsum([0, *(sequence.shape[1] for sequence in sequences[:-1])])] = True
    sources, classes, frequencies = [], [], []
    for stage, size in enumerate(codebook_sizes):
        candidates = [
            (source, *_fit_stage(codes, first, stage, source, codebook_sizes, num_classes))
            for source in sorted({0, max(stage - 1, 0)})
        ]
        source, best, rows, _ = min(candidates, key=lambda candidate: candidate[-1])
        sources.append(source)
        classes.append(best)
        frequencies.append(rows)
        assert rows.shape[1] == size
    return EntropyTables(tuple(sources), tuple(classes), tuple(frequencies))


def _fit_stage(
    codes: np.ndarray,
    first: np.ndarray,
    stage: int,
    source: int,
    codebook_sizes: Sequence[int],
    num_classes: int,
) -> tuple[np.ndarray, np.ndarray, float]:
    """Classes of the source's codes, frequencies, and the bits that all codes take with them."""
    size, source_size = codebook_sizes[stage], codebook_sizes[source]
    if source < stage:
        context, code = codes[source], codes[stage]
    else:
        follows = ~first[1:]
        context, code = codes[source, :-1][follows], codes[stage, 1:][follows]
    pairs = np.bincount(context * size + code, minlength=source_size * size)
    counts = pairs.reshape(source_size, size).astype(np.float64)
    overall = np.bincount(codes[stage], minlength=size) + 0.5
    overall *= _SMOOTHING * size / overall.sum()
    labels = _cluster(counts, overall, min(num_classes, source_size))
    totals = np.zeros((int(labels.max()) + 2, size))
    np.add.at(totals, labels, counts)
    totals[-1] = np.bincount(codes[stage, first], minlength=size)
    rows = np.stack([_quantize(row + overall) for row in totals])
    bits = -(totals * np.log2(rows / (1 << PRECISION))).sum()
    return labels.astype(np.uint8), rows, float(bits)


def _cluster(counts: np.ndarray, overall: np.ndarray, num_classes: int) -> np.ndarray:
    """Class of each row of `counts`: k-means under the cost in bits of one code for all of a class.

    The most frequent rows are the first centres; `overall` is added to what is counted.
    """
    frequent = np.argsort(-counts.sum(1), kind="stable")[:num_classes]
    centres = _normalize(counts[frequent] + overall)
    for _ in range(_ITERATIONS):
        labels = (counts @ np.log(centres).T).argmax(1)
        totals = np.zeros_like(centres)
        np.add.at(totals, labels, counts)
        centres = _normalize(totals + overall)
    used = np.unique(labels, return_inverse=True)[1]
    return np.asarray(used)


def _normalize(rows: np.ndarray) -> np.ndarray:
    return np.asarray(rows / rows.sum(-1, keepdims=True))


def _quantize(weights: np.ndarray) -> np.ndarray:
    """Positive integers in proportion to `weights` that sum to 2**PRECISION."""
    free = (1 << PRECISION) - len(weights)
    shares = weights / weights.sum() * free
    whole = np.floor(shares).astype(np.int64)
    largest = np.argsort(whole - shares, kind="stable")[: free - int(whole.sum())]
    whole[largest] += 1
    return (whole + 1).astype(np.uint16)
