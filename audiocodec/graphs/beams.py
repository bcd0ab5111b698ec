"""The encoder's graph with a beam search: the counterpart of `quantization/beams.py`.

In float64 throughout, as PyTorch searches. Besides the waveform it takes how many stages, since the
best codes of fewer are others, and how many beams.
"""

from typing import Any

import numpy as np

from audiocodec.graphs import functions
from audiocodec.graphs.builder import Names, Scope, Value, concat
from audiocodec.graphs.encoder import Emitted, emit_latent_of, receptive_frames
from audiocodec.graphs.past import StreamPast
from audiocodec.graphs.quantizers import are_alike, stacked_vectors
from audiocodec.quantization.beams import has_sequences

_FAR = 1e300  # the error of beams that do not exist yet
_WIDTH = 32  # of parts of the scores, of which only some are looked into


def has_beams(codec: Any) -> bool:
    """Whether the graph can be made: sequences of stages that are alike."""
    return has_sequences(codec.quantizer) and are_alike(codec.quantizer)


def emit_beams(codec: Any, names: Names) -> Emitted:
    """Takes `stages` and `beams`, int64 (1,), too; codes (batch, stages, frames)."""
    scope = Scope(names, "float64")
    past = StreamPast(scope, scope.value("state"))
    latent = emit_latent_of(codec, scope, past)
    codes = _sequences(codec.quantizer, latent, scope.value("stages"), scope.value("beams"))
    outputs = {"codes": codes, "next_state": past.next_state()}
    return Emitted(scope, outputs, past.size, receptive_frames(past.calls, codec))


def _sequences(quantizer: Any, x: Value, stages: Value, beams: Value) -> Value:
    """The codes (batch, stages, frames) of (batch, frames, dim)."""
    scope, count = x.scope, quantizer.num_quantizers
    vectors = stacked_vectors(quantizer, scope)
    size = quantizer.codebook_sizes[0]
    frames = concat([x.length(0), x.length(1)])
    first = concat([frames, beams])  # the shape of (batch, frames, beams)
    residual = scope.op("Expand", x.unsqueeze(2), concat([first, x.length(2)]))
    number = scope.op("Range", scope.integers(0), beams.squeeze(0), scope.integers(1))
    start = number.cast("float64").minimum(1.0) * _FAR  # one beam is there
    error = scope.op("Expand", start, first) + x.reduce("SumSquare", 2, keep=True)
    history = scope.op("Expand", scope.constant(0.0), concat([first, scope.integers([count])]))
    columns = scope.constant(np.eye(count))

    def body(
        residual: Value, error: Value, history: Value, book: Value, norms: Value, column: Value
    ) -> list[Value]:
        inner = residual.scope
        scores = residual @ book.transpose(1, 0) * -2.0 + norms + error.unsqueeze(3)
        error, place = _smallest(scores, size, beams.seen_from(inner))
        beam = inner.op("Div", place, inner.integers(size))
        code = place - beam * inner.integers(size)
        left, codes = (
            inner.op("GatherND", x, beam.unsqueeze(3), batch_dims=2) for x in (residual, history)
        )
        codes = codes + code.cast("float64").unsqueeze(3) * column
        return [left - book.take(code), error, codes]

    tables = [x.slice(0, 0, stages) for x in (vectors, vectors.reduce("SumSquare", 2), columns)]
    *_, history = functions.scan([residual, error, history], tables, body, [])
    best = history.slice(2, 0, 1).squeeze(2).slice(2, 0, stages)  # errors are sorted
    return best.cast("int64").transpose(0, 2, 1)


def _smallest(scores: Value, size: int, count: Value) -> tuple[Value, Value]:
    """The `count` smallest of (batch, frames, beams, size) in their order, and their places among
    the last two axes: by way of the smallest of each of some parts.
    """
    scope = scores.scope
    width = next(width for width in (_WIDTH, 1) if size % width == 0)
    parts = scores.reshape(0, 0, -1, width)
    _, kept = scope.ops("TopK", 2, parts.reduce("Min", 3), count, axis=-1, largest=0)
    inside = scope.op("GatherND", parts, kept.unsqueeze(3), batch_dims=2).reshape(0, 0, -1)
    values, places = scope.ops("TopK", 2, inside, count, axis=-1, largest=0)
    wide = scope.integers(width)
    part = scope.op("Div", places, wide)
    own = scope.op("GatherElements", kept, part, axis=2)
    return values, own * wide + (places - part * wide)
