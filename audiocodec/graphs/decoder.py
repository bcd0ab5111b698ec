"""The decoder's graph: codes of any number of stages to waveform, in float32, as in PyTorch."""

from typing import Any

from audiocodec.graphs.builder import Names, Scope, Value
from audiocodec.graphs.heads import emit_head
from audiocodec.graphs.layers import emit
from audiocodec.graphs.past import StreamPast
from audiocodec.graphs.quantizers import emit_latent


def emit_decoder(
    codec: Any, names: Names, int8: bool = False
) -> tuple[Scope, dict[str, Value], int]:
    """The nodes, the outputs and the size of the state; `int8`: the widest products in 8 bits."""
    scope = Scope(names, "float32", int8)
    past = StreamPast(scope, scope.value("state"))
    latent = emit_latent(codec.quantizer, scope.value("codes"), scope)
    features = emit(codec.decoder, latent, past)
    if hasattr(codec.decoder, "head"):
        features = emit_head(codec.decoder.head, features, past)
    outputs = {"waveform": features.reshape(0, 1, -1), "next_state": past.next_state()}
    return scope, outputs, past.size
