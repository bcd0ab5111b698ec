"""Discriminators, and the table that `kind:` chooses from."""

from audiocodec.discriminators.ms_stft import MultiScaleStft, MultiScaleStftConfig
from audiocodec.registry import Registry

DISCRIMINATORS = Registry("discriminator", {"ms_stft": (MultiScaleStftConfig, MultiScaleStft)})
