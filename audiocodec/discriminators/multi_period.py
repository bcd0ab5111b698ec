"""Multi-period discriminator (HiFi-GAN, arXiv:2010.05646): each network sees every p-th sample."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from audiocodec.discriminators.base import Discriminator, DiscriminatorConfig, ScaleOutputs
from audiocodec.errors import ConfigError


@dataclass(frozen=True)
class MultiPeriodConfig(DiscriminatorConfig):
    """The defaults, but for the normalised features, are those of Vocos."""

    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    channels: tuple[int, ...] = (32, 128, 512, 1024, 1024)  # of the layers, the last of stride 1
    first_map: bool = False  # whether the first layer counts in feature matching
    logits_map: bool = True  # whether the logits do
    extra_period: bool = False  # pad whole periods by one more, as DAC does

    def __post_init__(self) -> None:
        if min(self.periods, default=0) < 1 or min(self.channels, default=0) < 1:
            raise ConfigError("periods and channels must be lists of numbers of 1 or more")


class MultiPeriod(Discriminator):
    """One network a period, whose weights are shared by the phases 0 ... period - 1."""

    def __init__(self, config: MultiPeriodConfig) -> None:
        super().__init__()
        self.config = config
        self.scales = nn.ModuleList(_Period(period, config) for period in config.periods)

    def forward(self, waveform: Tensor) -> ScaleOutputs:
        """Logits are (batch, period, steps), feature maps (batch, period, channels, steps)."""
        return [scale(waveform) for scale in self.scales]


class _Period(nn.Module):
    def __init__(self, period: int, config: MultiPeriodConfig) -> None:
        super().__init__()
        self.period, self.config = period, config
        sizes = pairwise((1, *config.channels))
        strides = [3] * (len(config.channels) - 1) + [1]
        self.convs = nn.ModuleList(
            weight_norm(nn.Conv1d(inputs, outputs, 5, stride, padding=2))
            for (inputs, outputs), stride in zip(sizes, strides, strict=True)
        )
        self.post = weight_norm(nn.Conv1d(config.channels[-1], 1, kernel_size=3, padding=1))

    def forward(self, waveform: Tensor) -> tuple[Tensor, list[Tensor]]:
        # Phases go into the batch: one-dimensional convolutions are faster than (5, 1) kernels.
        phases = (waveform.shape[0], self.period)
        x = self._fold(waveform).flatten(0, 1).unsqueeze(1)
        maps = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.1, inplace=True)
            maps.append(x.unflatten(0, phases))
        logits = self.post(x).unflatten(0, phases)
        kept = maps if self.config.first_map else maps[1:]
        return logits.squeeze(2), [*kept, logits] if self.config.logits_map else kept

    def _fold(self, waveform: Tensor) -> Tensor:
        """Every `period`-th sample of (batch, 1, time): (batch, period, steps)."""
        missing = -waveform.shape[-1] % self.period
        if self.config.extra_period and not missing:
            missing = self.period
        mode = "reflect" if missing < waveform.shape[-1] else "constant"
        padded = F.pad(waveform, (0, missing), mode=mode)
        return padded.view(waveform.shape[0], -1, self.period).transpose(1, 2)
