"""The rows of the comparison: what each method is called, its options for a number of bits, and how
many bits it can have.

Methods of several codes a frame share the bits among them: all rows of a size cost the same.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Options = dict[str, Any]

# Mentzer et al. 2023, table 1, and the same with eight levels in every dimension.
LEVELS = {
    6: [4, 4, 4],
    8: [8, 6, 5],
    10: [8, 5, 5, 5],
    12: [7, 5, 5, 5, 5],
    14: [8, 8, 8, 6, 5],
    16: [8, 8, 8, 5, 5, 5],
    18: [8, 8, 8, 8, 8, 8],
}
TABLES = 14  # bits up to which a table of all frames by all codes is affordable
ALL = 18


@dataclass(frozen=True)
class Method:
    """options: of the quantizer, for a number of bits; bits: the most it can have; main: of the
    methods that are run with every seed.
    """

    options: Callable[[int], Options]
    bits: int = ALL
    main: bool = False


def sized(kind: str, **more: object) -> Callable[[int], Options]:
    """One codebook of 2^bits."""
    return lambda bits: {"kind": kind, "codebook_size": 2**bits, **more}


def halves(kind: str, **more: object) -> Callable[[int], Options]:
    """Two stages of half of the bits each."""
    return lambda bits: {
        "kind": kind, "codebook_size": 2 ** (bits // 2), "num_quantizers": 2, **more,
    }  # fmt: skip


def grid(bits: int) -> Options:
    return {"kind": "fsq", "levels": LEVELS[bits]}


def sparse(bits: int) -> Options:
    """Two coefficients of four levels each, positions included."""
    return {"kind": "sparse", "num_quantizers": 2, "levels": 4, "atoms": 2 ** (bits // 2 - 2)}


METHODS: Mapping[str, Method] = {
    "simvq": Method(sized("simvq"), main=True),
    "simvq_random_start": Method(sized("simvq", data_start=False), main=True),
    "simvq_rotation": Method(sized("simvq", gradient="rotation")),
    "simvq_mlp": Method(sized("simvq", map="mlp")),
    "simvq_both_trained": Method(sized("simvq", basis="trained")),
    "vq": Method(sized("vq"), main=True),
    "vq_random_start": Method(sized("vq", start="random"), main=True),
    "vq_rotation": Method(sized("vq", gradient="rotation")),
    "ema_vq": Method(sized("ema_vq"), main=True),
    "factorized_vq": Method(sized("factorized_vq"), main=True),
    "vqgan_lc": Method(sized("vqgan_lc")),
    "cvq": Method(sized("cvq"), main=True),
    "sq": Method(sized("sq"), TABLES),
    "vq_wae": Method(sized("vq_wae"), TABLES),
    "hvq": Method(sized("hvq"), TABLES),
    "fsq": Method(grid, main=True),
    "lfq": Method(sized("lfq")),
    "bsq": Method(sized("bsq")),
    "simvq_residual": Method(halves("residual")),
    "rq": Method(halves("rq")),
    "qinco": Method(halves("qinco"), 16),
    "sparse": Method(sparse, 16),
}


def plan(
    methods: Iterable[str], bits: Sequence[int], seeds: Sequence[int]
) -> Iterator[tuple[str, int, int]]:
    """(method, bits, seed) of each row, the most telling first: small before large, the first seed
    of all methods before the others of the main ones.
    """
    for seed in seeds:
        for size in bits:
            for name in METHODS:
                method = METHODS[name]
                if name in methods and size <= method.bits and (method.main or seed == seeds[0]):
                    yield name, size, seed
