"""What a codec costs: weights and multiply-accumulates."""

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from audiocodec.models.base import AnyCodec

_FRAMES = 64


class Cost(NamedTuple):
    """The same quantity for the two halves of a codec."""

    encode: float
    decode: float


def num_parameters(module: nn.Module) -> int:
    """Weights; a frozen basis drawn from a seed does not count."""
    return sum(parameter.numel() for parameter in module.parameters())


def macs_per_second(codec: AnyCodec) -> Cost:
    """Multiply-accumulates per second of audio in dense convolutions and matrix products.

    Fourier transforms, depthwise convolutions (below 1 % here) and elementwise operations are not
    counted. The difference of two lengths is taken, so that what is done once per call (the
    projection of a codebook) does not count; a call before them makes what is kept between calls.
    """
    _macs(codec, 1)
    short, long = _macs(codec, _FRAMES), _macs(codec, 2 * _FRAMES)
    seconds = _FRAMES / codec.frame_rate
    return Cost((long.encode - short.encode) / seconds, (long.decode - short.decode) / seconds)


def _macs(codec: AnyCodec, num_frames: int) -> Cost:
    return count_macs(codec.encode, codec.decode, torch.zeros(num_frames * codec.hop_length))


def count_macs(
    encode: Callable[[Tensor], Any], decode: Callable[[Any], object], waveform: Tensor
) -> Cost:
    """Multiply-accumulates in the dense convolutions and matrix products of both calls."""
    # mkldnn's fused LSTM would not be counted; its switch warns about an absent Intel GPU.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.backends.mkldnn.flags(enabled=False):
            with FlopCounterMode(display=False) as encoding:
                codes = encode(waveform)
            with FlopCounterMode(display=False) as decoding:
                decode(codes)
    return Cost(encoding.get_total_flops() / 2, decoding.get_total_flops() / 2)
