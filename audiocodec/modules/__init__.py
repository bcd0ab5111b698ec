"""Layers that know no codec, and the tables of encoders and decoders that `kind:` chooses from."""

from audiocodec.modules.convnext_codec import (
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
from audiocodec.modules.simvq_paper_decoder import ReferenceDecoder, ReferenceDecoderConfig
from audiocodec.modules.simvq_paper_encoder import ReferenceEncoder, ReferenceEncoderConfig
from audiocodec.registry import Registry

ENCODERS = Registry(
    "encoder",
    {
        "causal": (CausalEncoderConfig, CausalEncoder),
        "reference": (ReferenceEncoderConfig, ReferenceEncoder),
        "seanet": (SeanetEncoderConfig, SeanetEncoder),
    },
)
DECODERS = Registry(
    "decoder",
    {
        "causal": (CausalDecoderConfig, CausalDecoder),
        "reference": (ReferenceDecoderConfig, ReferenceDecoder),
        "seanet": (SeanetDecoderConfig, SeanetDecoder),
    },
)
