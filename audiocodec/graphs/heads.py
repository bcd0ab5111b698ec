"""Synthesis heads as graphs: the counterpart of `modules/heads.py` and `modules/harmonic.py`.

Features (batch, frames, channels) in float64 to waveform blocks (batch, frames * hop_length) in
float32.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from audiocodec.errors import ModelError
from audiocodec.graphs import lapped
from audiocodec.graphs.builder import Scope, Value, concat
from audiocodec.graphs.layers import Past
from audiocodec.modules.harmonic import _QUIET, _SMOOTHED, _TABLE_FRAMES, HarmonicHead
from audiocodec.modules.heads import IstftHead, MdctHead
from audiocodec.modules.overlap import MAX_LOG_MAGNITUDE


def emit_head(head: nn.Module, features: Value, past: Past) -> Value:
    """Raises ModelError for a head that has no translation."""
    if type(head) not in HEADS:
        raise ModelError(f"a head of type {type(head).__name__} has no ONNX translation")
    return HEADS[type(head)](head, features, past)


def _overlap_add(segments: list[Value], past: Past, hop: int) -> Value:
    """Block t is the sum over r of segment r of frame t - r; each is (batch, frames, hop)."""
    total = segments[0]
    for age, segment in enumerate(segments[1:], start=1):
        total = total + past.extend(segment, age, (hop,)).slice(1, 0, -age)
    return total


def _in_float32(x: Value, scope: Scope) -> Value:
    return x.cast("float32").seen_from(scope)


def _bounded_exp(x: Value) -> Value:
    return x.scope.op("Exp", x.minimum(MAX_LOG_MAGNITUDE))


def _mdct(head: MdctHead, features: Value, past: Past) -> Value:
    scope, hop = past.scope, head.hop_length
    features = _in_float32(features, scope)
    log_magnitude, phase = scope.linear(features, head.project).split([hop, hop])
    coefficients = _bounded_exp(log_magnitude) * scope.op("Cos", phase)
    cosines = lapped.rows(scope.stored(head.basis).transpose(1, 0), hop)
    return _lapped_add(coefficients, cosines, past, hop).reshape(0, -1)


def _istft(head: IstftHead, features: Value, past: Past) -> Value:
    scope, hop, n_fft = past.scope, head.hop_length, len(head.window)
    bins = n_fft // 2 + 1
    features = _in_float32(features, scope)
    log_magnitude, phase = scope.linear(features, head.project).split([bins, bins])
    magnitude = _bounded_exp(log_magnitude)
    parts = [magnitude * scope.op(wave, phase) for wave in ("Cos", "Sin")]
    frames = (concat(parts) @ _inverse_dft(scope, n_fft)) * scope.stored(head.window)
    return _overlap_add(frames.split([hop] * (n_fft // hop)), past, hop).reshape(0, -1)


def _inverse_dft(scope: Scope, n_fft: int) -> Value:
    """(2 * bins, n_fft): real and imaginary parts to samples, made of one period of a cosine."""
    bins = n_fft // 2 + 1
    angles = 2 * np.pi * np.arange(n_fft) / n_fft
    weights = np.full((bins, 1), 2 / n_fft)  # negative frequencies are mirrored
    weights[0] = weights[n_fft // 2] = 1 / n_fft
    place = scope.op(
        "Mod",
        scope.integers(np.arange(bins)[:, None]) * scope.integers(np.arange(n_fft)[None]),
        scope.integers(n_fft),
    )
    real = scope.stored(torch.from_numpy(np.cos(angles))).take(place) * weights
    imaginary = scope.stored(torch.from_numpy(-np.sin(angles))).take(place) * weights
    return concat([real, imaginary], axis=0)


def _lapped_add(coefficients: Value, cosines: Value, past: Past, hop: int) -> Value:
    """The inverse MDCT, (batch, frames, hop)."""
    now, later = lapped.synthesise(coefficients, cosines, hop)
    former = past.extend(later, 1, (-(-hop // 2),)).slice(1, 0, -1)
    return lapped.overlap(now, former, hop)


def _harmonic(head: HarmonicHead, features: Value, past: Past) -> Value:
    scope, hop, config = past.scope, head.hop_length, head.config
    parts = features.scope.linear(features, head.project).split(head._outputs)
    log_magnitude, phase, *envelopes = parts
    direct = _bounded_exp(log_magnitude) * features.scope.op("Cos", phase)
    waves = lapped.exact_rows(features.scope, hop)
    harmonics = _harmonics(head, direct.slice(2, 0, config.source), waves, past)
    gains = _gains(head, *(_in_float32(x, scope) for x in envelopes))
    waiting = concat([_in_float32(direct, scope), *gains])
    ready = past.extend(waiting, 1, (sum(head.sizes),)).slice(1, 0, -1)  # harmonics are as late
    direct, voiced, unvoiced = ready.split(head.sizes)
    excited = voiced * harmonics + unvoiced * (_noise(head, features, past) * config.noise_gain)
    both = config.direct - config.start  # coefficients that have either
    spectrum = [
        direct.slice(2, 0, config.start),
        direct.slice(2, config.start) + excited.slice(2, 0, both),
        excited.slice(2, both),
    ]
    cosines = _in_float32(waves[0], scope)
    return _lapped_add(concat(spectrum), cosines, past, hop).reshape(0, -1)


def _gains(head: HarmonicHead, envelope: Value, share: Value) -> list[Value]:
    scope = envelope.scope
    gain = _bounded_exp(envelope @ scope.stored(head.envelope))
    logit = share @ scope.stored(head.share)
    shares = [scope.op("Sigmoid", side) for side in (logit, logit * -1.0)]
    if head.config.noise_exponent != 1:
        noise = _power(shares[1], head.config.noise_exponent)
        shares = [scope.constant(1.0) - noise, noise]
    return [gain * scope.op("Sqrt", share) for share in shares]


def _power(x: Value, exponent: float) -> Value:
    """A few products cost a tenth of an operator for any exponent."""
    if exponent != int(exponent) or exponent > 8:
        return x.scope.op("Pow", x, x.scope.constant(exponent))
    product, square, left = None, x, int(exponent)
    while left:
        if left % 2:
            product = square if product is None else product * square
        square, left = square * square if left > 1 else square, left // 2
    assert product is not None
    return product


def _harmonics(head: HarmonicHead, low: Value, waves: tuple[Value, Value], past: Past) -> Value:
    """Of coefficients (batch, frames, source) in float64, up to the spectra that are made flat.

    waves: the exact rows of cosines and sines.
    """
    scope, hop, start = past.scope, head.hop_length, head.config.start
    exact, (cosines, sines) = low.scope, waves
    now, later = lapped.synthesise(low, cosines.slice(1, 0, head.config.source), hop)
    former = _extend(later, -(-hop // 2), past).slice(1, 0, -1)
    voice = lapped.overlap(now, former, hop)
    blocks = _extend(exact.op("Relu", voice), hop, past)
    # Levels are means of many: what the sines add to them may be rounded.
    sines = _in_float32(sines.slice(1, start), scope)
    cosine, sine = lapped.analyse(blocks, cosines.slice(1, start), sines, hop)
    cosine = _in_float32(cosine, scope)
    level = _smoothed((cosine * cosine + sine * sine) * 0.5, head.sizes[1])
    return cosine / scope.op("Sqrt", level + _QUIET)


def _extend(x: Value, width: int, past: Past) -> Value:
    """`x` in float64 after the step before it, which the state keeps as a sum of two float32."""
    exact, scope = x.scope, past.scope
    high = _in_float32(x, scope)
    low = _in_float32(x - high.seen_from(exact).cast("float64"), scope)
    parts = past.extend(concat([high, low]), 1, (2 * width,)).split([width, width])
    first, second = (part.seen_from(exact).cast("float64") for part in parts)
    return first + second


def _smoothed(x: Value, width: int) -> Value:
    """Means of `_SMOOTHED` neighbours on the last axis, fewer at its ends.

    Sums of twice as many each time: onnxruntime's pooling takes four times as long.
    """
    side = _SMOOTHED // 2
    padded = total = x.scope.op("Pad", x, x.scope.integers([0, 0, side, 0, 0, side]))
    covered = 1
    while 2 * covered < _SMOOTHED:
        total = total.slice(2, 0, -covered) + total.slice(2, covered)
        covered *= 2
    total = total.slice(2, 0, -1) + padded.slice(2, covered)
    place = np.arange(width)
    count = 1 + np.minimum(place, side) + np.minimum(place[::-1], side)
    return total * (1 / count)


def _noise(head: HarmonicHead, features: Value, past: Past) -> Value:
    """Signs of the table from the row of the stream's position on, a number in the state."""
    scope = past.scope
    start = past.counter(_TABLE_FRAMES).cast("int64")  # (batch, 1)
    frames = features.seen_from(scope).length(1)
    zero, one = scope.integers(0), scope.integers(1)
    steps = scope.op("Range", zero, frames.squeeze(0), one).unsqueeze(0)
    period = scope.integers(_TABLE_FRAMES)
    past.leave(scope.op("Mod", start + frames, period).cast(scope.dtype))
    return scope.stored(head.table.sign()).take(scope.op("Mod", start + steps, period))


HEADS: dict[type, Callable[[Any, Value, Past], Value]] = {
    HarmonicHead: _harmonic,
    IstftHead: _istft,
    MdctHead: _mdct,
}
