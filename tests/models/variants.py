"""Small codecs of every shape that the invariances must hold for."""

from functools import cache
from typing import Any

from audiocodec.models.codec import Codec
from tests.conftest import build_codec

_SEANET = {"kind": "seanet", "n_filters": 4, "ratios": [8, 5, 4, 2], "lstm_layers": 1}
VARIANTS: dict[str, dict[str, Any]] = {
    "mdct": {},
    "istft": {
        "decoder": {"kind": "convnext", "channels": 24, "blocks": 2, "head": {"kind": "istft"}}
    },
    "lookahead": {
        "decoder": {
            "kind": "convnext",
            "channels": 24,
            "blocks": 2,
            "lookahead": 2,
            "head": {"kind": "istft", "n_fft": 960, "delay": 1},
        }
    },
    "seanet_lstm": {"encoder": _SEANET, "decoder": _SEANET},
    "seanet_up_simvq": {
        "encoder": {"kind": "convnext", "strides": [8, 4], "channels": [8, 8], "blocks": [1, 0]},
        "quantizer": {"kind": "simvq", "codebook_size": 32},
        "decoder": {"kind": "seanet", "n_filters": 4, "ratios": [4, 8], "residual_units": 2},
    },
}

_REFERENCE_DECODER = {"kind": "simvq_paper", "channels": 32, "blocks": 1, "groups": 4}
WHOLE: dict[str, dict[str, Any]] = {  # parts that need the whole signal at once
    "reference": {
        "encoder": _SEANET | {"kind": "simvq_paper"},
        "decoder": _REFERENCE_DECODER,
    },
    "reference_decoder": {"decoder": _REFERENCE_DECODER},
}


@cache
def variant(name: str) -> Codec:
    """The codec of a row of `VARIANTS` or `WHOLE`; do not change it."""
    return build_codec(**(VARIANTS | WHOLE)[name])
