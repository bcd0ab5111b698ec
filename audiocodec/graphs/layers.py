"""Causal layers as graphs: the counterpart of `modules/`, one function a layer.

Values are (batch, time, channels). `past` says where earlier steps come from (past.py).
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from audiocodec.errors import ModelError
from audiocodec.graphs import functions, lapped
from audiocodec.graphs.builder import Scope, Value, concat
from audiocodec.graphs.past import layer_norm
from audiocodec.modules.conv import CausalConv, CausalDepthwiseConv, CausalTransposedConv
from audiocodec.modules.convnext import ConvNextBlock, ConvNextStack
from audiocodec.modules.convnext_codec import ConvNextDecoder, ConvNextEncoder
from audiocodec.modules.front import _MIN_ENERGY, SpectralFront
from audiocodec.modules.seanet import (
    ResidualUnit,
    SeanetDecoder,
    SeanetEncoder,
    StreamingLstm,
)


class Past(Protocol):
    """See past.py."""

    scope: Scope

    def extend(self, x: Value, size: int, shape: tuple[int, ...], stride: int = 1) -> Value: ...

    def newest(self, x: Value) -> Value: ...

    def endless(self) -> None: ...

    def read(self, width: int) -> Value: ...

    def counter(self, period: int) -> Value: ...

    def leave(self, x: Value) -> None: ...

    def norm(self, x: Value, weight: Value, bias: Value, eps: float) -> Value: ...


def emit(layer: nn.Module, x: Value, past: Past) -> Value:
    """The output of `layer` for `x`.

    Raises:
        ModelError: a layer that has no translation.
    """
    for kind in type(layer).__mro__:
        if kind in LAYERS:
            return LAYERS[kind](layer, x, past)
    raise ModelError(f"a layer of type {type(layer).__name__} has no ONNX translation")


def _conv(layer: CausalConv, x: Value, past: Past) -> Value:
    size, stride, dilation = layer.kernel_size, layer.stride, layer.dilation
    channels = layer.linear.in_features // size
    padded = past.extend(x, layer.past, (channels,), stride)
    if dilation == 1 and size % stride == 0:  # whole groups of `stride` steps: no gathering
        groups = padded.reshape(0, -1, stride * channels)
        count = size // stride
        taps = [groups.slice(1, i, i + 1 - count or None) for i in range(count)]
    else:
        span = (size - 1) * dilation
        taps = [
            padded.slice(1, tap * dilation, tap * dilation - span or None, stride)
            for tap in range(size)
        ]
    return past.scope.linear(concat(taps), layer.linear)


def _transposed_conv(layer: CausalTransposedConv, x: Value, past: Past) -> Value:
    padded = past.extend(x, 1, (layer.linear.in_features // 2,))
    pairs = concat([padded.slice(1, 0, -1), padded.slice(1, 1)])
    return past.scope.linear(pairs, layer.linear).reshape(0, -1, layer.out_channels)


def _depthwise(layer: CausalDepthwiseConv, x: Value, past: Past) -> Value:
    taps, channels = layer.weight.shape
    padded = past.extend(x, taps - 1, (channels,))
    scope = past.scope
    weight, bias = scope.stored(layer.weight), scope.stored(layer.bias)
    if scope.dtype == "float32":
        kernel = weight.transpose(1, 0).unsqueeze(1)
        by_channel = padded.transpose(0, 2, 1)
        return scope.op("Conv", by_channel, kernel, bias, group=channels).transpose(0, 2, 1)
    total = bias
    for tap, factors in enumerate(weight.split([1] * taps, axis=0)):  # no float64 convolutions
        total = padded.slice(1, tap, tap + 1 - taps or None) * factors + total
    return total


def norm(layer: nn.LayerNorm, x: Value, past: Past) -> Value:
    """Over channels."""
    weight, bias = (x.scope.stored(w) for w in (layer.weight, layer.bias))
    return past.norm(x, weight, bias, layer.eps)


def _block(layer: ConvNextBlock, x: Value, past: Past) -> Value:
    scope = past.scope
    product = functions.int8_product if scope.int8 else Value.__matmul__
    hidden = norm(layer.norm, _depthwise(layer.depthwise, x, past), past)
    wide = product(hidden, scope.stored(layer.expand.weight).transpose(1, 0))
    hidden = functions.gelu(wide + scope.stored(layer.expand.bias))
    scale = scope.stored(layer.scale)
    weight = scope.stored(layer.reduce.weight).transpose(1, 0) * scale
    return past.newest(x) + (product(hidden, weight) + scope.stored(layer.reduce.bias) * scale)


def _stack(layer: ConvNextStack, x: Value, past: Past) -> Value:
    for block in layer.blocks:
        x = emit(block, x, past)
    return x


def _compress(x: Value, strength: float) -> Value:
    full = torch.tensor(strength, dtype=torch.float64).asinh().item()
    return functions.asinh(x * strength) / full


def _front(layer: SpectralFront, x: Value, past: Past) -> Value:
    scope, hop = past.scope, layer.hop_length
    blocks = past.extend(x, hop, (1,), hop).reshape(0, -1, hop)
    # In float64 as far as this: rounding here is most of what moves codes, since logarithms show
    # that of strong coefficients in weak bands.
    wide, is_wide = scope.in_float64(), scope.dtype == "float64"
    exact = (blocks if is_wide else blocks.cast("float64")).seen_from(wide)
    spectra = lapped.analyse(exact, *lapped.exact_rows(wide, hop, rounded=True), hop)
    mdct, mdst = (x if is_wide else x.cast("float32").seen_from(scope) for x in spectra)
    energies = (mdct * mdct + mdst * mdst) @ scope.stored(layer.filters)
    levels = scope.op("Log", energies + _MIN_ENERGY) / 5.0 + 1.5
    views = concat([_compress(mdct, layer.compression) * 2.0, levels])
    return scope.linear(views, layer.mix)


def _residual_unit(layer: ResidualUnit, x: Value, past: Past) -> Value:
    inner = _conv(layer.inner, functions.elu(x), past)
    return past.newest(x) + past.scope.linear(functions.elu(inner), layer.outer)


def _lstm(layer: StreamingLstm, x: Value, past: Past) -> Value:
    scope, lstm = past.scope, layer.lstm
    past.endless()
    width, output = lstm.hidden_size, x.transpose(1, 0, 2)
    for index in range(lstm.num_layers):
        cells = [past.read(width) for _ in range(2)]
        weights = [getattr(lstm, f"weight_{kind}_l{index}") for kind in ("ih", "hh")]
        biases = [scope.stored(getattr(lstm, f"bias_{kind}_l{index}")) for kind in ("ih", "hh")]
        inward, recurrent = (scope.stored(weight).transpose(1, 0) for weight in weights)
        gates = output @ inward + (biases[0] + biases[1])
        *last, output = functions.scan(
            cells,
            [gates],
            lambda h, c, gates, w=recurrent: _lstm_step(h, c, gates, w, width),
            [scope.dtype],
        )
        for cell in last:
            past.leave(cell)
    return x + output.transpose(1, 0, 2)


def _lstm_step(h: Value, c: Value, gates: Value, recurrent: Value, width: int) -> list[Value]:
    """The next hidden state and cell, and the output; gates in the order of torch."""
    scope = h.scope
    both = gates + h @ recurrent.seen_from(scope)
    i, f, g, o = both.split([width] * 4)
    keep, add, show = (scope.op("Sigmoid", gate) for gate in (f, i, o))
    cell = keep * c + add * scope.op("Tanh", g)
    hidden = show * scope.op("Tanh", cell)
    return [hidden, cell, scope.op("Identity", hidden)]


def _seanet(layer: Any, x: Value, past: Past) -> Value:
    for part in layer.layers:
        x = functions.elu(x) if isinstance(part, nn.ELU) else emit(part, x, past)
    return x


def _encoder(layer: ConvNextEncoder, x: Value, past: Past) -> Value:
    for index, (downsample, stack) in enumerate(zip(layer.downsample, layer.stacks, strict=True)):
        x = emit(downsample, x, past)
        if index == 0 and layer.compression:
            x = _compress(x, layer.compression)
        x = emit(stack, x, past)
    latent = past.scope.linear(norm(layer.norm, x, past), layer.project)
    one, none = (past.scope.constant(np.full(layer.latent_dim, value)) for value in (1, 0))
    return past.norm(latent, one, none, 1e-5)


def _decoder(layer: ConvNextDecoder, x: Value, past: Past) -> Value:
    """Features in float64, as `norm_careful` has them."""
    x = norm(layer.norm_in, _conv(layer.embed, x, past), past)
    x, exact, last = emit(layer.stack, x, past), past.scope.in_float64(), layer.norm_out
    weight, bias = exact.stored(last.weight), exact.stored(last.bias)
    return layer_norm(x.cast("float64").seen_from(exact), weight, bias, last.eps)


LAYERS: dict[type, Callable[[Any, Value, Past], Value]] = {
    CausalConv: _conv,
    CausalTransposedConv: _transposed_conv,
    ConvNextBlock: _block,
    ConvNextStack: _stack,
    ConvNextDecoder: _decoder,  # up to its head
    ConvNextEncoder: _encoder,
    ResidualUnit: _residual_unit,
    SeanetDecoder: _seanet,
    SeanetEncoder: _seanet,
    SpectralFront: _front,
    StreamingLstm: _lstm,
}
