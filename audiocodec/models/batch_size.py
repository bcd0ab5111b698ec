"""How much audio to run at once."""

import torch
from torch import Tensor, nn

_FRAMES = 64  # to measure with
_MOST_VALUES = 2**20  # of a layer, 8 MB in float64; see docs/streaming.md
_MOST_SECONDS = 32.0  # so that results come soon


@torch.inference_mode()
def encoder_batch_seconds(encoder: nn.Module, hop_length: int, frame_rate: float) -> float:
    """Seconds of audio that a CPU encodes fastest at once.

    Layers at the frame rate gain from more rows for each time that weights are read; layers at the
    sample rate lose when their outputs leave the caches. So the widest output has a size.
    """
    sizes = [0]

    def note(_module: nn.Module, _arguments: object, output: object) -> None:
        if isinstance(output, Tensor):
            sizes.append(output.numel())

    hooks = [module.register_forward_hook(note) for module in encoder.modules()]
    weight = next(encoder.parameters())
    try:
        encoder(weight.new_zeros(1, 1, _FRAMES * hop_length))
    finally:
        for hook in hooks:
            hook.remove()
    return min(_MOST_SECONDS, _MOST_VALUES * _FRAMES / (frame_rate * max(sizes)))
