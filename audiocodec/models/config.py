"""The configuration of a codec: one component each, sizes derived from one another."""

from dataclasses import dataclass
from typing import Any

from audiocodec.config import one_of
from audiocodec.errors import ConfigError
from audiocodec.models.sizes import check_sizes, check_times
from audiocodec.modules import DECODERS, ENCODERS
from audiocodec.modules.convnext_codec import ConvNextDecoderConfig, ConvNextEncoderConfig
from audiocodec.quantization import QUANTIZERS
from audiocodec.quantization.residual import ResidualSimVQConfig


@dataclass(frozen=True)
class CodecConfig:
    """What a codec is made of; the kinds are those of ENCODERS, QUANTIZERS and DECODERS."""

    sample_rate: int = 24_000  # Hz
    latent_dim: int = 64
    encoder: Any = one_of(ENCODERS, ConvNextEncoderConfig())
    quantizer: Any = one_of(QUANTIZERS, ResidualSimVQConfig())
    decoder: Any = one_of(DECODERS, ConvNextDecoderConfig())

    def __post_init__(self) -> None:
        if self.latent_dim < 1:
            raise ConfigError(f"codec.latent_dim is {self.latent_dim}; give 1 or more")
        check_sizes(self, self.latent_dim, "codec")
        check_times(self.sample_rate, self.hop_length)

    @property
    def hop_length(self) -> int:
        """Samples per frame."""
        hop_length: int = self.encoder.hop_length
        return hop_length
