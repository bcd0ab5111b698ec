"""How much audio to run at once."""

import torch
from torch import Tensor, nn

from audiocodec.models.codec import Codec

_FRAMES = 64  # to measure with
_MOST_VALUES = 2**20  # of a layer, 8 MB in float64; see docs/streaming.md
_MOST_SECONDS = 32.0  # so that results come soon


def encoder_batch_seconds(codec: Codec) -> float:
    """Seconds of audio that a CPU encodes fastest at once.

    Layers at the frame rate gain from more rows for each time that weights are read; layers at the
    sample rate lose when their outputs leave the caches. So the widest output has a size.
    """
    sizes = [0]

    def note(_module: nn.Module, _arguments: object, output: object) -> None:
        if isinstance(output, Tensor):
            sizes.append(output.numel())

    encoder, _ = codec.exact_encoder()
    hooks = [module.register_forward_hook(note) for module in encoder.modules()]
    try:
        codec.encode(torch.zeros(_FRAMES * codec.hop_length))
    finally:
        for hook in hooks:
            hook.remove()
    return min(_MOST_SECONDS, _MOST_VALUES * _FRAMES / (codec.frame_rate * max(sizes)))
