"""Multi-scale complex STFT discriminator (EnCodec, arXiv:2210.13438, section 3.4)."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from audiocodec.features.stft import stft

Judged = list[tuple[Tensor, list[Tensor]]]


@dataclass(frozen=True)
class MultiScaleStftConfig:
    n_ffts: tuple[int, ...] = (2048, 1024, 512, 256, 128)
    channels: int = 32
    dilations: tuple[int, ...] = (1, 2, 4)  # in time, of the strided layers
    exponent: float = 0.5  # compression of the magnitudes it sees, so that quiet parts count too


class MultiScaleStft(nn.Module):
    """One network a window length on real and imaginary parts; hop = n_fft / 4."""

    def __init__(self, config: MultiScaleStftConfig) -> None:
        super().__init__()
        self.scales = nn.ModuleList(_Scale(n_fft, config) for n_fft in config.n_ffts)

    def forward(self, waveform: Tensor) -> Judged:
        """(batch, 1, time) -> (logits, feature maps) of each scale."""
        return [scale(waveform) for scale in self.scales]


def _conv(inputs: int, outputs: int, kernel: tuple[int, int], stride: int = 1, dilation: int = 1):
    padding = ((kernel[0] - 1) * dilation // 2, kernel[1] // 2)
    return weight_norm(
        nn.Conv2d(inputs, outputs, kernel, (1, stride), padding, dilation=(dilation, 1))
    )


class _Scale(nn.Module):
    def __init__(self, n_fft: int, config: MultiScaleStftConfig) -> None:
        super().__init__()
        width = config.channels
        self.hop_length, self.exponent = n_fft // 4, config.exponent
        window = torch.hann_window(n_fft)
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)
        self.convs = nn.ModuleList([_conv(2, width, (3, 9))])
        self.convs.extend(_conv(width, width, (3, 9), 2, d) for d in config.dilations)
        self.convs.append(_conv(width, width, (3, 3)))
        self.post = _conv(width, 1, (3, 3))

    def forward(self, waveform: Tensor) -> tuple[Tensor, list[Tensor]]:
        spectrum = stft(waveform.squeeze(1), self.window, self.hop_length)
        power = spectrum.real.square() + spectrum.imag.square() + 1e-6
        gain = power.pow((self.exponent - 1) / 2).unsqueeze(-1)
        x = (torch.view_as_real(spectrum) * gain).permute(0, 3, 1, 2)  # (batch, 2, frames, bins)
        x = x.contiguous(memory_format=torch.channels_last)
        maps = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
            maps.append(x)
        return self.post(x), maps
