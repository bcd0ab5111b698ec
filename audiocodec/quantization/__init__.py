"""Quantizers, and the table that `kind:` chooses from."""

from audiocodec.quantization.grouped import GroupedSimVQ, GroupedSimVQConfig
from audiocodec.quantization.qinco import Qinco, QincoConfig
from audiocodec.quantization.residual import ResidualSimVQ, ResidualSimVQConfig
from audiocodec.quantization.rq import RQ, RQConfig
from audiocodec.quantization.single import SINGLE
from audiocodec.quantization.sparse import Sparse, SparseConfig
from audiocodec.quantization.stack import Stack, StackConfig
from audiocodec.registry import Registry

QUANTIZERS = Registry(
    "quantizer",
    {
        **SINGLE,
        "grouped": (GroupedSimVQConfig, GroupedSimVQ),
        "qinco": (QincoConfig, Qinco),
        "residual": (ResidualSimVQConfig, ResidualSimVQ),
        "rq": (RQConfig, RQ),
        "sparse": (SparseConfig, Sparse),
        "stack": (StackConfig, Stack),
    },
)
