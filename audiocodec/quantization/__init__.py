"""Quantizers, and the table that `kind:` chooses from."""

from audiocodec.quantization.grouped import GroupedSimVQ, GroupedSimVQConfig
from audiocodec.quantization.residual import ResidualSimVQ, ResidualSimVQConfig
from audiocodec.quantization.simvq import SimVQ, SimVQConfig
from audiocodec.registry import Registry

QUANTIZERS = Registry(
    "quantizer",
    {
        "grouped": (GroupedSimVQConfig, GroupedSimVQ),
        "residual": (ResidualSimVQConfig, ResidualSimVQ),
        "simvq": (SimVQConfig, SimVQ),
    },
)
