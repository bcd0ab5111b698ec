"""The decoder's graph: codes of any number of stages to waveform, in float32, as in PyTorch."""

import math
from dataclasses import dataclass
from typing import Any

from audiocodec.graphs.builder import Names, Scope, Value
from audiocodec.graphs.heads import emit_head
from audiocodec.graphs.layers import emit
from audiocodec.graphs.past import StreamPast, receptive_steps
from audiocodec.graphs.quantizers import emit_latent


@dataclass
class EmittedDecoder:
    """Nodes, outputs and state of a graph; past frames that a sample depends on, at most, if they
    have an end, and what else a stream counts: places in the state and periods in frames.
    """

    scope: Scope
    outputs: dict[str, Value]
    state_size: int
    receptive_frames: int | None
    counters: list[tuple[int, int]]


def emit_decoder(codec: Any, names: Names, int8: bool = False) -> EmittedDecoder:
    """`int8`: the widest products in 8 bits."""
    scope = Scope(names, "float32", int8)
    past = StreamPast(scope, scope.value("state"))
    latent = emit_latent(codec.quantizer, scope.value("codes"), scope)
    features = emit(codec.decoder, latent, past)
    if hasattr(codec.decoder, "head"):
        features = emit_head(codec.decoder.head, features, past)
    outputs = {"waveform": features.reshape(0, 1, -1), "next_state": past.next_state()}
    # Steps of upsampled layers are counted as if they were frames: never too few.
    steps = receptive_steps(past.calls)
    frames = None if steps == math.inf else int(steps)
    return EmittedDecoder(scope, outputs, past.size, frames, past.counters)
