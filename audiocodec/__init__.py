"""Train, use and measure SimVQ neural audio codecs.

>>> import audiocodec
>>> codec = audiocodec.load_codec()
>>> audio = audiocodec.read_audio("speech.wav")
>>> codes = codec.encode(audio.waveform[0], audio.info.sample_rate)  # (num_quantizers, frames)
>>> decoded = codec.decode(codes)  # (time,) at codec.sample_rate

The names below are the public interface; a name is imported when it is first used, since torch
takes seconds to import and most commands can do without it.
"""

import importlib
from typing import TYPE_CHECKING, Any

from audiocodec._version import __version__
from audiocodec.extras import torch_named

if TYPE_CHECKING:
    from audiocodec.audio import Audio, AudioInfo, audio_info, read_audio, resample, write_waveform
    from audiocodec.codes import Coded, CodesMetadata, read_codes, write_codes
    from audiocodec.data.tokens import TokenBatch, TokenDataset
    from audiocodec.discriminators import DISCRIMINATORS
    from audiocodec.errors import (
        AudioError,
        CodecError,
        CodeFileError,
        ConfigError,
        DataError,
        MissingPackage,
        ModelError,
        PartialFailure,
    )
    from audiocodec.evaluation.evaluate import EvaluateOptions, Evaluation, evaluate
    from audiocodec.models.bundle import load_codec, save_codec
    from audiocodec.models.codec import Codec
    from audiocodec.models.config import CodecConfig
    from audiocodec.models.graph_codec import GraphCodec
    from audiocodec.models.streaming import StreamDecoder, StreamEncoder
    from audiocodec.modules import DECODERS, ENCODERS
    from audiocodec.modules.heads import HEADS
    from audiocodec.pipeline.convert import convert_files
    from audiocodec.pipeline.decode import decode_files
    from audiocodec.pipeline.encode import encode_files
    from audiocodec.pipeline.options import ConvertOptions, DecodeOptions, EncodeOptions
    from audiocodec.pipeline.progress import Summary
    from audiocodec.quantization import QUANTIZERS
    from audiocodec.quantization.base import Quantized, Quantizer
    from audiocodec.quantization.residual import ResidualSimVQ, ResidualSimVQConfig
    from audiocodec.quantization.simvq import SimVQ, SimVQConfig
    from audiocodec.registry import Registry

_NAMES = {  # by module
    "audio": "Audio AudioInfo audio_info read_audio resample write_waveform",
    "codes": "Coded CodesMetadata read_codes write_codes",
    "data.tokens": "TokenBatch TokenDataset",
    "discriminators": "DISCRIMINATORS",
    "errors": "AudioError CodecError CodeFileError ConfigError DataError MissingPackage ModelError "
    "PartialFailure",
    "evaluation.evaluate": "EvaluateOptions Evaluation evaluate",
    "models.bundle": "load_codec save_codec",
    "models.codec": "Codec",
    "models.config": "CodecConfig",
    "models.graph_codec": "GraphCodec",
    "models.streaming": "StreamDecoder StreamEncoder",
    "modules": "DECODERS ENCODERS",
    "modules.heads": "HEADS",
    "pipeline.convert": "convert_files",
    "pipeline.decode": "decode_files",
    "pipeline.encode": "encode_files",
    "pipeline.options": "ConvertOptions DecodeOptions EncodeOptions",
    "pipeline.progress": "Summary",
    "quantization": "QUANTIZERS",
    "quantization.base": "Quantized Quantizer",
    "quantization.residual": "ResidualSimVQ ResidualSimVQConfig",
    "quantization.simvq": "SimVQ SimVQConfig",
    "registry": "Registry",
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [
    "DECODERS",
    "DISCRIMINATORS",
    "ENCODERS",
    "HEADS",
    "QUANTIZERS",
    "Audio",
    "AudioError",
    "AudioInfo",
    "CodeFileError",
    "Codec",
    "CodecConfig",
    "CodecError",
    "Coded",
    "CodesMetadata",
    "ConfigError",
    "ConvertOptions",
    "DataError",
    "DecodeOptions",
    "EncodeOptions",
    "EvaluateOptions",
    "Evaluation",
    "GraphCodec",
    "MissingPackage",
    "ModelError",
    "PartialFailure",
    "Quantized",
    "Quantizer",
    "Registry",
    "ResidualSimVQ",
    "ResidualSimVQConfig",
    "SimVQ",
    "SimVQConfig",
    "StreamDecoder",
    "StreamEncoder",
    "Summary",
    "TokenBatch",
    "TokenDataset",
    "__version__",
    "audio_info",
    "convert_files",
    "decode_files",
    "encode_files",
    "evaluate",
    "load_codec",
    "read_audio",
    "read_codes",
    "resample",
    "save_codec",
    "write_codes",
    "write_waveform",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'audiocodec' has no attribute {name!r}")
    with torch_named():
        value = getattr(importlib.import_module(f"audiocodec.{_MODULES[name]}"), name)
    globals()[name] = value  # the next use finds it without this function
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
