"""Layers that know no codec, and the tables of encoders and decoders that `kind:` chooses from."""

from audiocodec.modules.convnext_codec import (
    ConvNextDecoder,
    ConvNextDecoderConfig,
    ConvNextEncoder,
    ConvNextEncoderConfig,
)
from audiocodec.modules.seanet import (
    SeanetDecoder,
    SeanetDecoderConfig,
    SeanetEncoder,
    SeanetEncoderConfig,
)
from audiocodec.modules.simvq_paper_decoder import SimvqPaperDecoder, SimvqPaperDecoderConfig
from audiocodec.modules.simvq_paper_encoder import SimvqPaperEncoder, SimvqPaperEncoderConfig
from audiocodec.registry import Registry

ENCODERS = Registry(
    "encoder",
    {
        "convnext": (ConvNextEncoderConfig, ConvNextEncoder),
        "simvq_paper": (SimvqPaperEncoderConfig, SimvqPaperEncoder),
        "seanet": (SeanetEncoderConfig, SeanetEncoder),
    },
)
DECODERS = Registry(
    "decoder",
    {
        "convnext": (ConvNextDecoderConfig, ConvNextDecoder),
        "simvq_paper": (SimvqPaperDecoderConfig, SimvqPaperDecoder),
        "seanet": (SeanetDecoderConfig, SeanetDecoder),
    },
)
