"""Quantizers, and the table that `kind:` chooses from."""

from audiocodec.quantization.residual import ResidualSimVQ, ResidualSimVQConfig
from audiocodec.quantization.simvq import SimVQ, SimVQConfig
from audiocodec.registry import Registry

QUANTIZERS = Registry(
    "quantizer",
    {"residual": (ResidualSimVQConfig, ResidualSimVQ), "simvq": (SimVQConfig, SimVQ)},
)
