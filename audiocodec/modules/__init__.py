"""Layers that know no codec, and the tables of encoders and decoders that `kind:` chooses from."""

from audiocodec.modules.causal import (
    CausalDecoder,
    CausalDecoderConfig,
    CausalEncoder,
    CausalEncoderConfig,
)
from audiocodec.modules.seanet import (
    SeanetDecoder,
    SeanetDecoderConfig,
    SeanetEncoder,
    SeanetEncoderConfig,
)
from audiocodec.registry import Registry

ENCODERS = Registry(
    "encoder",
    {
        "causal": (CausalEncoderConfig, CausalEncoder),
        "seanet": (SeanetEncoderConfig, SeanetEncoder),
    },
)
DECODERS = Registry(
    "decoder",
    {
        "causal": (CausalDecoderConfig, CausalDecoder),
        "seanet": (SeanetDecoderConfig, SeanetDecoder),
    },
)
