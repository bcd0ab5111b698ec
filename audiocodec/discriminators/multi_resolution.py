"""Multi-resolution discriminator of magnitude spectrograms (UnivNet, arXiv:2106.07889; Vocos)."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.discriminators.base import Discriminator, ScaleOutputs, conv2d
from audiocodec.discriminators.spectrum import Spectrum, SpectrumConfig
from audiocodec.features.stft import check_windows, magnitude

# (kernel, stride) in (frequency, time)
_LAYERS = (((7, 5), (2, 2)), ((5, 3), (2, 1)), ((5, 3), (2, 2)), ((3, 3), (2, 1)), ((3, 3), (2, 2)))


@dataclass(frozen=True)
class MultiResolutionConfig(SpectrumConfig):
    n_ffts: tuple[int, ...] = (2048, 1024, 512)
    channels: int = 64
    logits_map: bool = True  # whether the logits count in feature matching

    def __post_init__(self) -> None:
        check_windows(self.n_ffts, self.hop_divisor)


class MultiResolution(Discriminator):
    """One network a window length on the magnitudes."""

    def __init__(self, config: MultiResolutionConfig) -> None:
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(_Resolution(n_fft, config) for n_fft in config.n_ffts)

    def forward(self, waveform: Tensor) -> ScaleOutputs:
        return [scale(waveform) for scale in self.scales]


class _Resolution(nn.Module):
    def __init__(self, n_fft: int, config: MultiResolutionConfig) -> None:
        super().__init__()
        self.config = config
        self.spectrum = Spectrum(n_fft, config)
        inputs = [1] + [config.channels] * (len(_LAYERS) - 1)
        self.convs = nn.ModuleList(
            conv2d(size, config.channels, kernel, stride)
            for size, (kernel, stride) in zip(inputs, _LAYERS, strict=True)
        )
        self.post = conv2d(config.channels, 1, (3, 3))

    def forward(self, waveform: Tensor) -> tuple[Tensor, list[Tensor]]:
        x = magnitude(self.spectrum(waveform)).transpose(1, 2).unsqueeze(1)  # frequency, time
        maps = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1, inplace=True)
            maps.append(x)
        logits = self.post(x)
        return logits, [*maps, logits] if self.config.logits_map else maps
