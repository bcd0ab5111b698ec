"""The quantizers of one codebook: what a codec may have alone, or in a residual `stack`."""

from audiocodec.quantization.bsq import BSQ, BSQConfig
from audiocodec.quantization.cvq import CVQ, CVQConfig
from audiocodec.quantization.ema_vq import EmaVQ, EmaVQConfig
from audiocodec.quantization.factorized_vq import FactorizedVQ, FactorizedVQConfig
from audiocodec.quantization.fsq import FSQ, FSQConfig
from audiocodec.quantization.hvq import HVQ, HVQConfig
from audiocodec.quantization.lfq import LFQ, LFQConfig
from audiocodec.quantization.simvq import SimVQ, SimVQConfig
from audiocodec.quantization.sq import SQ, SQConfig
from audiocodec.quantization.vq import VQ, VQConfig
from audiocodec.quantization.vq_wae import VqWae, VqWaeConfig
from audiocodec.quantization.vqgan_lc import VqganLC, VqganLCConfig
from audiocodec.registry import Registry

SINGLE = Registry(
    "stage",
    {
        "bsq": (BSQConfig, BSQ),
        "cvq": (CVQConfig, CVQ),
        "ema_vq": (EmaVQConfig, EmaVQ),
        "factorized_vq": (FactorizedVQConfig, FactorizedVQ),
        "fsq": (FSQConfig, FSQ),
        "hvq": (HVQConfig, HVQ),
        "lfq": (LFQConfig, LFQ),
        "simvq": (SimVQConfig, SimVQ),
        "sq": (SQConfig, SQ),
        "vq": (VQConfig, VQ),
        "vq_wae": (VqWaeConfig, VqWae),
        "vqgan_lc": (VqganLCConfig, VqganLC),
    },
)
