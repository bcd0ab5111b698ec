"""The encoder's graph: waveform to codes, equal to PyTorch's whatever the batch, block or threads.

PyTorch encodes in float64. So does the graph where it must; everywhere else float32 is enough: if
the two nearest codes of every stage are further apart than rounding can move them, float32 finds
the same nearest one. The other frames, one in some hundred, are computed again in float64 from the
samples that they depend on, in a branch that runs only when there are any.

How much rounding moves is measured (`margin.py`); models without a bound, for which a branch cannot
be made, run in float64 throughout.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audiocodec.graphs.builder import Names, Scope, Value, concat
from audiocodec.graphs.layers import emit
from audiocodec.graphs.past import Call, StreamPast, WindowPast, frame_gains, receptive_steps
from audiocodec.graphs.quantizers import emit_codes, margin_is_known

MARGIN_NAME = "margin"  # of the bound in the graph


@dataclass
class Emitted:
    """Nodes, outputs and state of a graph; past frames that a code depends on, if bounded."""

    scope: Scope
    outputs: dict[str, Value]
    state_size: int
    receptive_frames: int | None


def emit_exact(codec: Any, names: Names) -> Emitted:
    """All in float64, its state, too."""
    scope = Scope(names, "float64")
    past = StreamPast(scope, scope.value("state"))
    codes = emit_codes(codec.quantizer, emit_latent_of(codec, scope, past)).codes.transpose(1, 0, 2)
    outputs = {
        "codes": codes,
        "next_state": past.next_state(),
        "recomputed": scope.op("Size", codes.slice(1, 0, 1)),
    }
    return Emitted(scope, outputs, past.size, receptive_frames(past.calls, codec))


def emit_gaps(codec: Any, names: Names, dtype: str) -> Emitted:
    """To be measured: gaps (batch, num_quantizers, frames) and, in float32, their gains (batch,
    frames).
    """
    scope = Scope(names, dtype)
    past = StreamPast(scope, scope.value("state"), measures=dtype == "float32")
    codes, gaps = emit_codes(codec.quantizer, emit_latent_of(codec, scope, past), gaps=True)
    assert gaps is not None
    outputs = {
        "codes": codes.transpose(1, 0, 2),
        "gaps": gaps.transpose(1, 0, 2),
        "gains": _gains(past, gaps.reduce("Min", 0), _waveform(scope)),
        "next_state": past.next_state(),
    }
    return Emitted(scope, outputs, past.size, None)


def _gains(past: StreamPast, frames: Value, samples: Value) -> Value:
    """(batch, frames) of the shape of `frames`: what rounding errors are compared relative to.

    They grow faster than what norms magnify: over tones, noise and speech at all levels, with a
    power of about 7/4 of it, so that one bound serves all.
    """
    gains = frame_gains(past, frames) * _overload(samples)
    root = gains.scope.op("Sqrt", gains)
    return gains * root * root.scope.op("Sqrt", root)


def _overload(samples: Value) -> Value:
    """(batch, 1): the loudest of samples (batch, ..., time) if that is beyond full scale, else 1.

    Rounding of the strongest coefficients, which weak ones show, grows with it.
    """
    scope = samples.scope
    loudest = scope.op("Abs", samples.reshape(0, -1)).reduce("Max", 1, keep=True)
    return loudest.maximum(1.0)


def emit_latent_of(codec: Any, scope: Scope, past: StreamPast) -> Value:
    """(batch, frames, latent_dim) of the waveform."""
    return emit(codec.encoder, _waveform(scope).reshape(0, -1, 1), past)


def _waveform(scope: Scope) -> Value:
    waveform = scope.value("waveform")
    return waveform if scope.dtype == "float32" else waveform.cast(scope.dtype)


def receptive_frames(calls: Sequence[Call], codec: Any) -> int | None:
    """Past frames that a code depends on, if they have an end."""
    steps = receptive_steps(calls)
    return None if steps == math.inf else -(-int(steps) // codec.hop_length)


def has_margin(codec: Any) -> bool:
    """Whether float32 with a margin is possible: a past with an end, codes with distances."""
    if not margin_is_known(codec.quantizer):
        return False
    return not any(type(m).__name__ == "StreamingLstm" for m in codec.encoder.modules())


def emit_with_margin(codec: Any, names: Names, bound: float) -> Emitted:
    """In float32; frames whose gap is below `bound` times their gain again in float64.

    The state has the samples that such a frame depends on, and how many frames there have been.
    """
    scope = Scope(names, "float32")
    past = StreamPast(scope, scope.value("state"), measures=True)
    by_stage, gaps = emit_codes(codec.quantizer, emit_latent_of(codec, scope, past), gaps=True)
    assert gaps is not None
    codes, smallest = by_stage.transpose(1, 0, 2), gaps.reduce("Min", 0)
    past_samples = int(receptive_steps(past.calls))
    past_frames = receptive_frames(past.calls, codec) or 0
    history, before = past.read(past_samples), past.read(1)
    samples = concat([history, scope.value("waveform").squeeze(1)], axis=1)
    past.leave(samples.slice(1, samples.length(1) - scope.integers([past_samples])))
    now = before + codes.length(2).cast("float32")
    past.leave(now.minimum(float(past_frames)))  # more makes no difference
    gains = _gains(past, smallest, samples)
    # The negation, since what overflows must be unsure, too: (batch, frames).
    unsure = scope.op("Not", smallest > gains * scope.named(MARGIN_NAME, bound))
    again = _Recomputation(codec, past, samples, before, past_samples)
    outputs = again.emit(codes, unsure) | {"next_state": past.next_state()}
    return Emitted(scope, outputs, past.size, past_frames)


class _Recomputation:
    """Codes of unsure frames in float64, in a branch.

    Few of them are cut out, each with the past it needs; many are computed with everything between,
    which costs less then.
    """

    def __init__(
        self, codec: Any, past: StreamPast, samples: Value, frames_before: Value, past_samples: int
    ) -> None:
        self.codec, self.calls, self.hop = codec, past.calls, codec.hop_length
        self.samples, self.before, self.past_samples = samples, frames_before, past_samples

    def emit(self, codes: Value, unsure: Value) -> dict[str, Value]:
        """The codes, and how many frames were computed again."""
        scope = codes.scope
        count = unsure.cast("int64").reduce("Sum", 0, 1)
        few = count * scope.integers(self._cost_of_one()) < scope.op("Size", unsure)

        def again(scope: Scope) -> list[Value]:
            place = scope.op("NonZero", unsure).transpose(1, 0)  # (n, 2): row, frame
            windows, ends = _choice(
                few.seen_from(scope),
                lambda scope: self._cut_out(scope, place.seen_from(scope)),
                self._all,
                ("float32", "int64"),
            )
            found = self._codes(scope, windows, ends)
            return _choice(
                few.seen_from(scope),
                lambda scope: [_put(codes.seen_from(scope), place, found.seen_from(scope))],
                lambda scope: [scope.op("Identity", found)],
                ("int64",),
            )

        return {
            "codes": _choice(
                count > scope.integers(0),
                again,
                lambda scope: [scope.op("Identity", codes)],
                ("int64",),
            )[0],
            "recomputed": count,
        }

    def _cost_of_one(self) -> int:
        """What a frame that is cut out costs, in frames of an unbroken signal."""
        return 1 + -(-self.past_samples // (2 * self.hop))

    def _cut_out(self, scope: Scope, place: Value) -> list[Value]:
        """The samples that each unsure frame depends on (n, time), and the frame's number."""
        samples, before = self.samples.seen_from(scope), self.before.seen_from(scope)
        row, frame = place.split([1, 1], axis=1)
        start = row * samples.length(1) + frame * scope.integers(self.hop)
        window = scope.integers(np.arange(self.past_samples + self.hop))
        ends = before.squeeze(1).cast("int64").take(row) + frame + scope.integers(1)
        return [samples.reshape(-1).take(start + window), ends]

    def _all(self, scope: Scope) -> list[Value]:
        """The whole signal and the samples before it (batch, time), and the last frame's number."""
        samples, hop = self.samples.seen_from(scope), scope.integers(self.hop)
        frames = scope.op("Div", samples.length(1) - scope.integers(self.past_samples), hop)
        return [scope.op("Identity", samples), self.before.seen_from(scope).cast("int64") + frames]

    def _codes(self, scope: Scope, samples: Value, ends: Value) -> Value:
        """The codes (rows, num_quantizers, frames) of windows of samples (rows, time).

        ends: (rows, 1), how many frames of the stream end where the window ends.
        """
        exact = scope.in_float64()
        past = WindowPast(exact, ends.seen_from(exact), self.calls)
        waveform = samples.cast("float64").unsqueeze(2).seen_from(exact)
        latent = emit(self.codec.encoder, waveform, past)
        codes = emit_codes(self.codec.quantizer, latent).codes
        return codes.transpose(1, 0, 2).seen_from(scope)


def _put(codes: Value, place: Value, found: Value) -> Value:
    """`codes` with those of some frames (n, num_quantizers, 1) in their place (n, 2)."""
    by_frame = codes.transpose(0, 2, 1)
    updated = codes.scope.op("ScatterND", by_frame, place, found.squeeze(2))
    return updated.transpose(0, 2, 1)


def _choice(
    condition: Value,
    then: Callable[[Scope], list[Value]],
    otherwise: Callable[[Scope], list[Value]],
    dtypes: Sequence[str],
) -> list[Value]:
    """The values of one of two branches, of which only one runs."""
    scope, graphs = condition.scope, []
    for make in (then, otherwise):
        inner = Scope(scope.names, scope.dtype)
        graphs.append(inner.graph([], make(inner), dtypes))
    branches = {"then_branch": graphs[0], "else_branch": graphs[1]}
    return scope.ops("If", len(dtypes), condition, **branches)
