"""What a layer sees of its past: in a stream, from the state; in a window, from the window itself.

The counterpart of `modules/streaming.with_past`: a layer asks for the steps before its input, and
does not know where they come from.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod

from audiocodec.graphs.builder import Scope, Value, concat


@dataclass(frozen=True)
class Call:
    """One request for a past: of `size` steps; every `stride` steps make one output step."""

    size: float  # infinite for a recurrent layer
    stride: int


def receptive_steps(calls: Sequence[Call]) -> float:
    """Input steps before its own that an output depends on, all layers together."""
    steps = 0.0
    for call in reversed(calls):
        steps = call.size + steps * call.stride
    return steps


@dataclass
class StreamPast:
    """The state of a stream is one tensor (batch, size): the pasts of all layers side by side."""

    scope: Scope
    state: Value  # in the precision of the scope
    measures: bool = False  # whether the gains of norms are wanted
    size: int = 0
    calls: list[Call] = field(default_factory=list)
    norms: list[tuple[int, Value]] = field(default_factory=list)  # calls so far, magnification
    counters: list[tuple[int, int]] = field(default_factory=list)  # places in the state, periods
    _next: list[Value] = field(default_factory=list)

    def extend(self, x: Value, size: int, shape: Sequence[int], stride: int = 1) -> Value:
        """`x` (batch, time, *shape) after the `size` steps before it."""
        self.calls.append(Call(size, stride))
        if size == 0:
            return x
        past = self.read(size * prod(shape)).reshape(0, size, *shape)
        padded = concat([past, x], axis=1)
        self.leave(padded.slice(1, -size).reshape(0, -1))
        return padded

    def endless(self) -> None:
        """The layer keeps what it needs itself, and that has no end."""
        self.calls.append(Call(math.inf, 1))

    def newest(self, x: Value) -> Value:
        """The steps of `x` that belong to the outputs since the last `extend`: all."""
        return x

    def read(self, width: int) -> Value:
        """The next `width` numbers of the state, (batch, width)."""
        self.size += width
        return self.state.slice(1, self.size - width, self.size)

    def counter(self, period: int) -> Value:
        """A number of the state (batch, 1) that counts frames modulo `period`; `leave` the next."""
        self.counters.append((self.size, period))
        return self.read(1)

    def leave(self, x: Value) -> None:
        """Keep (batch, width) for the next piece, in the order of `read`."""
        self._next.append(x)

    def norm(self, x: Value, weight: Value, bias: Value, eps: float) -> Value:
        """The layer norm of (batch, time, width)."""
        if not self.measures:
            return layer_norm(x, weight, bias, eps)
        y, _, gain = self.scope.ops("LayerNormalization", 3, x, weight, bias, axis=-1, epsilon=eps)
        self.norms.append((len(self.calls), gain.squeeze(2)))
        return y

    def next_state(self) -> Value:
        """What the next piece takes for its state."""
        if not self._next:
            return self.state
        return concat(self._next, axis=1)


@dataclass
class WindowPast:
    """A window holds all that its outputs depend on; each layer uses up the past that it needs.

    Of a window that begins before its stream, the steps before the start are silent for every
    layer, as they are in a stream.

    frames: (rows, 1) int64, how many frames of the stream end where the window ends.
    """

    scope: Scope
    frames: Value
    calls: Sequence[Call]  # those of the stream
    _done: int = 0

    def extend(self, x: Value, size: int, shape: Sequence[int], stride: int = 1) -> Value:
        """`x` (rows, time, *shape), silent where the stream has not begun."""
        assert self.calls[self._done] == Call(size, stride)
        rate = prod(call.stride for call in self.calls[self._done :])  # steps a frame
        self._done += 1
        if size == 0 or self._done == 1:  # samples before the stream are zeros already
            return x
        scope = self.scope
        one, none = scope.integers(-1), scope.integers(0)
        age = scope.op("Range", x.length(1).squeeze(0), none, one)  # of the steps, the newest 1
        alive = age <= self.frames * scope.integers(rate)  # (rows, time)
        alive = alive.reshape(0, -1, *[1] * len(shape))
        return scope.op("Where", alive, x, scope.constant(0.0))

    def newest(self, x: Value) -> Value:
        """The steps of `x` that belong to the outputs since the last `extend`."""
        size = int(self.calls[self._done - 1].size)
        return x.slice(1, size) if size else x

    def endless(self) -> None:
        """No window holds an endless past."""
        raise AssertionError

    def read(self, width: int) -> Value:
        """A window has no state."""
        raise AssertionError

    def counter(self, period: int) -> Value:
        """A window has no state."""
        raise AssertionError

    def leave(self, x: Value) -> None:
        """A window has no state."""
        raise AssertionError

    def norm(self, x: Value, weight: Value, bias: Value, eps: float) -> Value:
        """The layer norm of (rows, time, width)."""
        return layer_norm(x, weight, bias, eps)


def layer_norm(x: Value, weight: Value, bias: Value, eps: float) -> Value:
    """Over the last axis.

    Always with a bias: onnxruntime 1.32 crashes when it fuses a sum and a norm without. Its norm in
    float64 takes ten times as long as in float32, and longer than its parts.
    """
    if x.scope.dtype == "float64":
        centred = x - x.reduce("Mean", -1, keep=True)
        variance = (centred * centred).reduce("Mean", -1, keep=True)
        return centred * (weight / x.scope.op("Sqrt", variance + eps)) + bias
    return x.scope.op("LayerNormalization", x, weight, bias, axis=-1, epsilon=eps)


def frame_gains(past: StreamPast, frames: Value) -> Value:
    """(batch, frames): what layer norms magnify rounding errors by, to compare frames with.

    The largest gain of a norm in a frame times that of the last norm: frames near silence have the
    largest errors. 1 without norms, of the shape of `frames`.
    """
    gains = []
    for calls, gain in past.norms:
        rate = prod(call.stride for call in past.calls[calls:])  # steps a frame
        gains.append(gain if rate == 1 else gain.reshape(0, -1, rate).reduce("Max", 2))
    if not gains:
        return frames * 0.0 + 1.0
    *others, last = gains
    if not others:
        return last
    return last * (past.scope.op("Max", *others) if len(others) > 1 else others[0])
