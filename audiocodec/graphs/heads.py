"""Synthesis heads as graphs: the counterpart of `modules/heads.py` and `modules/harmonic.py`.

Features (batch, frames, channels) to waveform blocks (batch, frames * hop_length), in float32.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from audiocodec.errors import ModelError
from audiocodec.features.mdct import lapped_basis
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


def _bounded_exp(x: Value) -> Value:
    return x.scope.op("Exp", x.minimum(MAX_LOG_MAGNITUDE))


def _mdct(head: MdctHead, features: Value, past: Past) -> Value:
    scope, hop = past.scope, head.hop_length
    log_magnitude, phase = scope.linear(features, head.project).split([hop, hop])
    coefficients = _bounded_exp(log_magnitude) * scope.op("Cos", phase)
    cosines = scope.stored(head.basis).transpose(1, 0)
    return _lapped_add(coefficients, cosines, past, hop).reshape(0, -1)


def _istft(head: IstftHead, features: Value, past: Past) -> Value:
    scope, hop, n_fft = past.scope, head.hop_length, len(head.window)
    bins = n_fft // 2 + 1
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
    table = _lapped_table(scope, hop)  # (2 * hop, 2 * hop): cosines, sines
    cosines = table.slice(1, 0, hop)
    waves = cosines.slice(1, config.start), table.slice(1, hop + config.start)
    parts = _harmonic_parts(head, features)
    low = parts.slice(2, 0, config.source)
    voice = _lapped_add(low, cosines.slice(1, 0, config.source), past, hop)
    harmonics = _harmonics(head, voice, waves, past)
    ready = past.extend(parts, 1, (sum(head.sizes),)).slice(1, 0, -1)  # harmonics are as late
    direct, voiced, unvoiced = ready.split(head.sizes)
    excited = voiced * harmonics + unvoiced * (_noise(head, features, past) * config.noise_gain)
    both = config.direct - config.start  # coefficients that have either
    spectrum = [
        direct.slice(2, 0, config.start),
        direct.slice(2, config.start) + excited.slice(2, 0, both),
        excited.slice(2, both),
    ]
    return _lapped_add(concat(spectrum), cosines, past, hop).reshape(0, -1)


def _lapped_table(scope: Scope, hop: int) -> Value:
    """Both waves of the MDCT, as a SpectralFront has them: one table serves encoder and decoder."""
    waves = [lapped_basis(hop, wave) for wave in (torch.cos, torch.sin)]
    return scope.stored(torch.cat(waves).t().contiguous())


def _harmonic_parts(head: HarmonicHead, features: Value) -> Value:
    scope = features.scope
    projected = scope.linear(features, head.project).split(head._outputs)
    log_magnitude, phase, envelope, share = projected
    direct = _bounded_exp(log_magnitude) * scope.op("Cos", phase)
    gain = _bounded_exp(envelope @ scope.stored(head.envelope))
    logit = share @ scope.stored(head.share)
    shares = [scope.op("Sigmoid", side) for side in (logit, logit * -1.0)]
    if head.config.noise_exponent != 1:
        noise = scope.op("Pow", shares[1], scope.constant(head.config.noise_exponent))
        shares = [scope.constant(1.0) - noise, noise]
    return concat([direct, *(gain * scope.op("Sqrt", share) for share in shares)])


def _harmonics(
    head: HarmonicHead, waveform: Value, waves: tuple[Value, Value], past: Past
) -> Value:
    scope, hop = past.scope, head.hop_length
    blocks = past.extend(scope.op("Relu", waveform), 1, (hop,))
    cosine, sine = lapped.analyse(blocks, *waves, hop)
    level = _smoothed((cosine * cosine + sine * sine) * 0.5, head.sizes[1])
    return cosine / scope.op("Sqrt", level + _QUIET)


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
    frames = features.length(1)
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
