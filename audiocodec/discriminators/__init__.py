"""Discriminators, and the table that `kind:` chooses from."""

from audiocodec.discriminators.ms_stft import MultiScaleStft, MultiScaleStftConfig
from audiocodec.discriminators.multi_band import MultiBand, MultiBandConfig
from audiocodec.discriminators.multi_period import MultiPeriod, MultiPeriodConfig
from audiocodec.discriminators.multi_resolution import MultiResolution, MultiResolutionConfig
from audiocodec.registry import Registry

DISCRIMINATORS = Registry(
    "discriminator",
    {
        "ms_stft": (MultiScaleStftConfig, MultiScaleStft),
        "multi_period": (MultiPeriodConfig, MultiPeriod),
        "multi_resolution": (MultiResolutionConfig, MultiResolution),
        "multi_band": (MultiBandConfig, MultiBand),
    },
)
