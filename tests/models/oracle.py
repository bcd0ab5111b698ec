"""The published SimVQ codec as plain functions of its own tensors, from the description of it.

Nothing is shared with the package: shapes, padding rules and names come from the table of layers of
the published code (SEANet encoder, SimVQ, Vocos backbone, inverse STFT). float64 throughout.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

State = dict[str, Tensor]


def fabricate(
    *,
    filters: int = 32,
    latent: int = 512,
    codes: int = 1024,
    width: int = 768,
    inner: int = 2304,
    blocks: int = 12,
    n_fft: int = 1280,
    ratios: tuple[int, ...] = (2, 4, 5, 8),
    seed: int = 0,
) -> State:
    """A checkpoint with every name of a published one; averages differ from the live weights."""
    generator = torch.Generator().manual_seed(seed)
    live: State = {}

    def put(name: str, *shape: int, scale: float | None = None, around: float = 0.0) -> None:
        size = math.prod(shape[1:]) ** -0.5 if scale is None else scale
        live[name] = around + size * torch.randn(shape, generator=generator)

    def normed(name: str, outputs: int, inputs: int, size: int, gain: float = 1.5) -> None:
        put(f"{name}.weight_g", outputs, 1, 1, scale=0.1, around=gain)
        put(f"{name}.weight_v", outputs, inputs, size)
        put(f"{name}.bias", outputs, scale=0.1)

    def pair(name: str, *shape: int, around: float = 0.0, scale: float | None = None) -> None:
        put(f"{name}.weight", *shape, around=around, scale=scale)
        put(f"{name}.bias", shape[0], scale=0.1)

    normed("encoder.model.0.conv.conv", filters, 1, 7)
    channels = filters
    for stage, ratio in enumerate(ratios):
        unit = f"encoder.model.{1 + 3 * stage}"
        normed(f"{unit}.block.1.conv.conv", channels // 2, channels, 3)
        normed(f"{unit}.block.3.conv.conv", channels, channels // 2, 1)
        normed(f"{unit}.shortcut.conv.conv", channels, channels, 1)
        down = f"encoder.model.{3 + 3 * stage}.conv.conv"
        normed(down, 2 * channels, channels, 2 * ratio)
        channels *= 2
    last = 1 + 3 * len(ratios)
    for layer in (0, 1):
        for name in ("ih", "hh"):
            put(f"encoder.model.{last}.lstm.weight_{name}_l{layer}", 4 * channels, channels)
            put(f"encoder.model.{last}.lstm.bias_{name}_l{layer}", 4 * channels, scale=0.1)
    normed(f"encoder.model.{last + 2}.conv.conv", latent, channels, 7)
    put("quantize.embedding.weight", codes, latent, scale=latent**-0.5)
    pair("quantize.embedding_proj", latent, latent, scale=1.0)
    pair("backbone.embed", width, latent, 7)
    for norm in ("norm", "final_layer_norm"):
        pair(f"backbone.{norm}", width, around=1.0, scale=0.1)
    for block in range(blocks):
        name = f"backbone.convnext.{block}"
        put(f"{name}.gamma", width, scale=0.02, around=1 / blocks)
        pair(f"{name}.dwconv", width, 1, 7)
        pair(f"{name}.norm", width, around=1.0, scale=0.1)
        pair(f"{name}.pwconv1", inner, width)
        pair(f"{name}.pwconv2", width, inner)
    for layer in (0, 1, 3, 4):
        for part in (1, 2):
            pair(f"backbone.pos_net.{layer}.norm{part}", width, around=1.0, scale=0.1)
            pair(f"backbone.pos_net.{layer}.conv{part}", width, width, 3)
    for part in ("q", "k", "v", "proj_out"):
        pair(f"backbone.pos_net.2.{part}", width, width, 1)
    pair("backbone.pos_net.2.norm", width, around=1.0, scale=0.1)
    pair("backbone.pos_net.5", width, around=1.0, scale=0.1)
    pair("head.out", n_fft + 2, width, scale=0.02)
    live["head.out.bias"][: n_fft // 2 + 1] += 3  # as loud as speech
    unused = {
        "decoder.model.0.conv.conv.bias": torch.zeros(3),
        "loss.multiperioddisc.discriminators.0.convs.0.bias": torch.zeros(3),
        "loss.dac.discriminators.0.convs.0.0.bias": torch.zeros(3),
        "loss.dacdiscriminator.discriminator.discriminators.0.convs.0.0.bias": torch.zeros(3),
        "loss.melspec_loss.mel_spec.spectrogram.window": torch.zeros(3),
    }
    state = live | unused
    state["head.istft.window"] = torch.hann_window(n_fft)
    for name in [*live, *unused]:
        if name != "quantize.embedding.weight" and "melspec" not in name:
            average = state[name] + 0.05 * torch.randn(state[name].shape, generator=generator)
            state[f"model_ema.{name.replace('.', '')}"] = average
    state["model_ema.decay"] = torch.tensor(0.999)
    state["model_ema.num_updates"] = torch.tensor(-1, dtype=torch.int32)
    return state


def averaged(state: State) -> State:
    """What is evaluated: averages where there are some, live tensors where not."""
    return {
        name: state.get(f"model_ema.{name.replace('.', '')}", value).double()
        for name, value in state.items()
        if not name.startswith("model_ema.")
    }


def convolve(state: State, name: str, x: Tensor, stride: int = 1) -> Tensor:
    """Weight-normed convolution, reflect padded: left k - stride, right to the last full window."""
    direction = state[f"{name}.weight_v"]
    weight = state[f"{name}.weight_g"] * direction / direction.flatten(1).norm(dim=1)[:, None, None]
    total = weight.shape[-1] - stride
    windows = (x.shape[-1] - weight.shape[-1] + total) / stride + 1
    ideal = (math.ceil(windows) - 1) * stride + weight.shape[-1] - total
    right = ideal - x.shape[-1]
    extra = max(0, max(total, right) - x.shape[-1] + 1)
    mirrored = F.pad(F.pad(x, (0, extra)), (total, right), mode="reflect")
    if extra:
        mirrored = mirrored[..., :-extra]
    return F.conv1d(mirrored, weight, state[f"{name}.bias"], stride)


def lstm(state: State, name: str, x: Tensor) -> Tensor:
    """Two layers over (batch, channels, time), gates in the order i, f, g, o; skip."""
    steps = x.permute(2, 0, 1)
    for layer in (0, 1):
        hidden = cell = torch.zeros_like(steps[0])
        outputs = []
        w_in, w_hidden = (state[f"{name}.weight_{k}_l{layer}"] for k in ("ih", "hh"))
        bias = state[f"{name}.bias_ih_l{layer}"] + state[f"{name}.bias_hh_l{layer}"]
        for step in steps:
            gates = step @ w_in.T + hidden @ w_hidden.T + bias
            i, f, g, o = gates.chunk(4, dim=-1)
            cell = torch.sigmoid(f) * cell + torch.sigmoid(i) * torch.tanh(g)
            hidden = torch.sigmoid(o) * torch.tanh(cell)
            outputs.append(hidden)
        steps = torch.stack(outputs)
    return x + steps.permute(1, 2, 0)


def encode(state: State, waveform: Tensor, ratios: tuple[int, ...] = (2, 4, 5, 8)) -> Tensor:
    """(batch, 1, time) -> latent (batch, dim, frames)."""
    x = convolve(state, "encoder.model.0.conv.conv", waveform.double())
    for stage, ratio in enumerate(ratios):
        unit = f"encoder.model.{1 + 3 * stage}"
        hidden = convolve(state, f"{unit}.block.1.conv.conv", F.elu(x))
        hidden = convolve(state, f"{unit}.block.3.conv.conv", F.elu(hidden))
        x = convolve(state, f"{unit}.shortcut.conv.conv", x) + hidden
        x = convolve(state, f"encoder.model.{3 + 3 * stage}.conv.conv", F.elu(x), ratio)
    last = 1 + 3 * len(ratios)
    x = lstm(state, f"encoder.model.{last}.lstm", x)
    return convolve(state, f"encoder.model.{last + 2}.conv.conv", F.elu(x))


def codebook(state: State) -> Tensor:
    """All codes (K, dim)."""
    projected = state["quantize.embedding.weight"] @ state["quantize.embedding_proj.weight"].T
    return projected + state["quantize.embedding_proj.bias"]


def quantize(state: State, latent: Tensor) -> Tensor:
    """Nearest codes (batch, frames) by all distances."""
    book = codebook(state)
    frames = latent.permute(0, 2, 1)
    distances = frames.square().sum(-1, keepdim=True) + book.square().sum(-1) - 2 * frames @ book.T
    return distances.argmin(-1)


def group_norm(state: State, name: str, x: Tensor, groups: int = 32) -> Tensor:
    parts = x.reshape(len(x), groups, -1)
    mean, variance = parts.mean(-1, keepdim=True), parts.var(-1, correction=0, keepdim=True)
    normed = ((parts - mean) / (variance + 1e-6).sqrt()).view_as(x)
    return normed * state[f"{name}.weight"][:, None] + state[f"{name}.bias"][:, None]


def layer_norm(state: State, name: str, x: Tensor) -> Tensor:
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, correction=0, keepdim=True)
    normed = (x - mean) / (variance + 1e-6).sqrt()
    return normed * state[f"{name}.weight"] + state[f"{name}.bias"]


def swish(x: Tensor) -> Tensor:
    return x * torch.sigmoid(x)


def plain_conv(state: State, name: str, x: Tensor, padding: int, groups: int = 1) -> Tensor:
    weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
    return F.conv1d(x, weight, bias, padding=padding, groups=groups)


def pos_net(state: State, x: Tensor, groups: int) -> Tensor:
    name = "backbone.pos_net"
    for layer in range(5):
        if layer == 2:
            hidden = group_norm(state, f"{name}.2.norm", x, groups)
            q, k, v = (plain_conv(state, f"{name}.2.{p}", hidden, 0) for p in ("q", "k", "v"))
            weights = torch.softmax(q.transpose(1, 2) @ k * q.shape[1] ** -0.5, dim=-1)
            x = x + plain_conv(state, f"{name}.2.proj_out", v @ weights.transpose(1, 2), 0)
            continue
        hidden = x
        for part in (1, 2):
            hidden = swish(group_norm(state, f"{name}.{layer}.norm{part}", hidden, groups))
            hidden = plain_conv(state, f"{name}.{layer}.conv{part}", hidden, 1)
        x = x + hidden
    return group_norm(state, f"{name}.5", x, groups)


def decode(state: State, vectors: Tensor, hop: int = 320, groups: int = 32) -> Tensor:
    """Code vectors (batch, dim, frames) -> (batch, frames * hop)."""
    x = pos_net(state, plain_conv(state, "backbone.embed", vectors, 3), groups).transpose(1, 2)
    x = layer_norm(state, "backbone.norm", x)
    block = 0
    while f"backbone.convnext.{block}.gamma" in state:
        name = f"backbone.convnext.{block}"
        hidden = plain_conv(state, f"{name}.dwconv", x.transpose(1, 2), 3, x.shape[-1])
        hidden = layer_norm(state, f"{name}.norm", hidden.transpose(1, 2))
        hidden = hidden @ state[f"{name}.pwconv1.weight"].T + state[f"{name}.pwconv1.bias"]
        hidden = hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2)))
        hidden = hidden @ state[f"{name}.pwconv2.weight"].T + state[f"{name}.pwconv2.bias"]
        x = x + state[f"{name}.gamma"] * hidden
        block += 1
    x = layer_norm(state, "backbone.final_layer_norm", x)
    spectrum = x @ state["head.out.weight"].T + state["head.out.bias"]
    return inverse_stft(spectrum, hop)


def inverse_stft(spectrum: Tensor, hop: int) -> Tensor:
    """Log-magnitudes and phases (batch, frames, n_fft + 2) -> (batch, frames * hop)."""
    n_fft = spectrum.shape[-1] - 2
    magnitude, phase = spectrum.chunk(2, dim=-1)
    magnitude = magnitude.exp().clamp(max=100)
    window = torch.hann_window(n_fft, dtype=torch.float64)
    frames = torch.fft.irfft(torch.polar(magnitude, phase), n=n_fft) * window
    length = (frames.shape[1] - 1) * hop + n_fft
    total, envelope = torch.zeros(len(frames), length).double(), torch.zeros(length).double()
    for index in range(frames.shape[1]):
        total[:, index * hop : index * hop + n_fft] += frames[:, index]
        envelope[index * hop : index * hop + n_fft] += window**2
    side = (n_fft - hop) // 2
    return (total / envelope)[:, side : side + frames.shape[1] * hop]
