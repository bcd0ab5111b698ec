"""Multi-scale complex STFT discriminator (EnCodec, arXiv:2210.13438, section 3.4)."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.discriminators.base import Discriminator, ScaleOutputs, conv2d
from audiocodec.discriminators.spectrum import Spectrum, SpectrumConfig, as_image
from audiocodec.features.stft import check_windows


@dataclass(frozen=True)
class MultiScaleStftConfig(SpectrumConfig):
    n_ffts: tuple[int, ...] = (2048, 1024, 512, 256, 128)
    channels: int = 32
    dilations: tuple[int, ...] = (1, 2, 4)  # in time, of the layers that halve the frequencies

    def __post_init__(self) -> None:
        check_windows(self.n_ffts, self.hop_divisor)


class MultiScaleStft(Discriminator):
    """One network a window length on real and imaginary parts."""

    def __init__(self, config: MultiScaleStftConfig) -> None:
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(_Scale(n_fft, config) for n_fft in config.n_ffts)

    def forward(self, waveform: Tensor) -> ScaleOutputs:
        return [scale(waveform) for scale in self.scales]


class _Scale(nn.Module):
    def __init__(self, n_fft: int, config: MultiScaleStftConfig) -> None:
        super().__init__()
        width = config.channels
        self.spectrum = Spectrum(n_fft, config)
        self.convs = nn.ModuleList([conv2d(2, width, (3, 9))])
        self.convs.extend(conv2d(width, width, (3, 9), (1, 2), (d, 1)) for d in config.dilations)
        self.convs.append(conv2d(width, width, (3, 3)))
        self.post = conv2d(width, 1, (3, 3))

    def forward(self, waveform: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = as_image(self.spectrum(waveform))
        maps = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2, inplace=True)
            maps.append(x)
        return self.post(x), maps
