"""Random small codecs."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

STRIDES = [[4], [2, 3], [5, 2], [8, 5, 2]]


@st.composite
def seanets(draw: st.DrawFn, strides: list[int]) -> dict[str, Any]:
    return {
        "kind": "seanet",
        "n_filters": draw(st.sampled_from([2, 4])),
        "ratios": strides,
        "residual_units": draw(st.integers(0, 2)),
        "kernel_size": draw(st.sampled_from([1, 3, 7])),
        "lstm_layers": draw(st.integers(0, 2)),
    }


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Options of any small codec; sizes are free, the hop is small."""
    strides = draw(st.sampled_from(STRIDES))
    hop = int(np.prod(strides))
    kernel_sizes = st.sampled_from([1, 3, 7])
    causal_encoder = {
        "kind": "convnext",
        "strides": strides,
        "channels": draw(st.lists(st.integers(2, 6), min_size=len(strides), max_size=len(strides))),
        "blocks": draw(st.lists(st.integers(0, 2), min_size=len(strides), max_size=len(strides))),
        "kernel_size": draw(kernel_sizes),
        "mel_bands": draw(st.sampled_from([0, 3])),
    }
    overlap = draw(st.integers(2, 4))
    istft = {"kind": "istft", "n_fft": overlap * hop, "delay": draw(st.integers(0, overlap - 1))}
    causal_decoder = {
        "kind": "convnext",
        "channels": 8,
        "blocks": draw(st.integers(1, 3)),
        "kernel_size": draw(kernel_sizes),
        "lookahead": draw(st.integers(0, 3)),
        "head": draw(st.sampled_from([{"kind": "mdct"}, istft])),
    }
    return {
        "latent_dim": draw(st.integers(2, 6)),
        "encoder": draw(st.one_of(st.just(causal_encoder), seanets(strides))),
        "quantizer": {
            "kind": "residual",
            "num_quantizers": draw(st.integers(1, 3)),
            "codebook_size": draw(st.sampled_from([2, 7, 64])),
        },
        "decoder": draw(st.one_of(st.just(causal_decoder), seanets(strides))),
    }
