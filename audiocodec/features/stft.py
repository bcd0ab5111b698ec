"""Short-time Fourier transforms for losses and discriminators, always in float32.

The steps are written with their own derivatives: torch differentiates `rfft` through a full complex
transform and `unfold` through an element-wise scatter, which together cost five times the forward.
"""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from audiocodec.errors import ConfigError

PadMode = Literal["constant", "reflect"]
WindowKind = Literal["hann", "rectangular"]

_TINY = 1e-20  # below any magnitude whose square float32 can hold


def check_windows(n_ffts: tuple[int, ...], hop_divisor: int = 1) -> None:
    """Refuse windows that cannot be transformed at a hop of n_fft // hop_divisor.

    Raises:
        ConfigError: no windows, an odd one, or a hop of less than one sample.
    """
    if not n_ffts:
        raise ConfigError("a list of window lengths is empty; give one or more, e.g. [1024]")
    for n_fft in n_ffts:
        if n_fft < 2 or n_fft % 2 or not 1 <= hop_divisor <= n_fft:
            raise ConfigError(
                f"a window of {n_fft} samples at a hop of 1/{hop_divisor} of it; "
                "windows must be even, and hops one sample or more"
            )


def make_window(kind: WindowKind, n_fft: int, unit_energy: bool = False) -> Tensor:
    """A periodic window (n_fft,); of `unit_energy`, white noise keeps its variance in each bin."""
    window = torch.hann_window(n_fft) if kind == "hann" else torch.ones(n_fft)
    return window / window.square().sum().sqrt() if unit_energy else window


def stft(
    waveform: Tensor, window: Tensor, hop_length: int, pad_mode: PadMode = "constant"
) -> Tensor:
    """Complex spectrum (batch, frames, n_fft / 2 + 1) of (batch, time); n_fft = len(window), even.

    Frames are centred: there are time // hop_length + 1, the first and last half beyond the ends.

    Raises:
        ConfigError: the waveform is too short to be reflected by half a window.
    """
    half = window.shape[0] // 2
    if pad_mode == "reflect" and waveform.shape[-1] <= half:
        raise ConfigError(
            f"a window of {2 * half} samples with reflected ends needs more than {half} samples, "
            f"got {waveform.shape[-1]}; use longer crops, shorter windows or pad_mode: constant"
        )
    with torch.autocast(waveform.device.type, enabled=False):
        padded = F.pad(waveform.float().unsqueeze(1), (half, half), mode=pad_mode).squeeze(1)
        spectrum: Tensor = _Stft.apply(padded, window, hop_length)
        return spectrum


def squared_magnitude(spectrum: Tensor) -> Tensor:
    """|X|**2, as real numbers: torch's own derivatives of complex parts are slow."""
    return torch.view_as_real(spectrum).square().sum(-1)


def magnitude(spectrum: Tensor) -> Tensor:
    """|X|; its gradient is of length 1, and 0 where X is 0."""
    result: Tensor = _Magnitude.apply(spectrum)
    return result


def compressed(spectrum: Tensor, exponent: float, floor: float) -> Tensor:
    """X |X|**(exponent - 1): magnitudes to a power, phases kept.

    Far below `floor` the map is linear, so its gradient is at most floor**(exponent - 1).
    """
    assert floor > 0
    result: Tensor = _Compressed.apply(spectrum, exponent, floor)
    return result


def _power(spectrum: Tensor) -> Tensor:
    """The same for the derivatives written here, in one pass; its last bits differ."""
    real, imag = spectrum.real, spectrum.imag
    return torch.addcmul(real.square(), imag, imag)


def _scaled(spectrum: Tensor, gain: Tensor) -> Tensor:
    """spectrum * gain; as real numbers, since torch is slow at complex times real."""
    both = torch.view_as_real(torch.complex(gain, gain))
    return torch.view_as_complex(torch.view_as_real(spectrum) * both)


def _overlap_add(frames: Tensor, hop_length: int, num_samples: int) -> Tensor:
    """(batch, num_samples) of which `unfold` would make the frames, were they disjoint."""
    batch, num_frames, size = frames.shape
    steps = -(-size // hop_length)
    blocks = F.pad(frames, (0, steps * hop_length - size)).unflatten(-1, (steps, hop_length))
    total = frames.new_zeros(batch, num_frames + steps - 1, hop_length)
    for step in range(steps):
        total[:, step : step + num_frames] += blocks[:, :, step]
    total = total.flatten(1)
    return F.pad(total, (0, num_samples - total.shape[1]))  # or cuts, if there are more


class _Stft(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, padded: Tensor, window: Tensor, hop_length: int) -> Tensor:
        ctx.save_for_backward(window)
        ctx.hop_length, ctx.num_samples = hop_length, padded.shape[-1]
        return torch.fft.rfft(padded.unfold(-1, window.shape[0], hop_length) * window)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (window,) = ctx.saved_tensors
        # The adjoint of `rfft` is `irfft` but for the two bins that stand for one each.
        spectrum = gradient.clone()
        spectrum[..., 0] *= 2
        spectrum[..., -1] *= 2
        frames = torch.fft.irfft(spectrum, window.shape[0], norm="forward") * (window / 2)
        return _overlap_add(frames, ctx.hop_length, ctx.num_samples), None, None


class _Magnitude(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, spectrum: Tensor) -> Tensor:
        result = _power(spectrum).sqrt_()
        ctx.save_for_backward(spectrum, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        spectrum, result = ctx.saved_tensors
        return _scaled(spectrum, gradient / result.clamp_min(_TINY))


class _Compressed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, spectrum: Tensor, exponent: float, floor: float) -> Tensor:
        power = _power(spectrum).add_(floor**2)
        ctx.slope = (exponent - 1) / 2
        gain = power.log().mul_(ctx.slope).exp_()  # faster than `pow`
        ctx.save_for_backward(spectrum, power, gain)
        return _scaled(spectrum, gain)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        spectrum, power, gain = ctx.saved_tensors
        gradient = gradient.resolve_conj()
        along = torch.addcmul(
            gradient.real * spectrum.real, gradient.imag, spectrum.imag
        )  # of the gradient along X, times |X|
        radial = _scaled(spectrum, along * gain / power * (2 * ctx.slope))
        return _scaled(gradient, gain) + radial, None, None
