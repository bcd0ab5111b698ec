"""All discriminators of an experiment as one module."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from audiocodec.discriminators import DISCRIMINATORS
from audiocodec.discriminators.ms_stft import Judged


class DiscriminatorEnsemble(nn.Module):
    def __init__(self, configs: Sequence[Any]) -> None:
        super().__init__()
        self.members = nn.ModuleList(DISCRIMINATORS.build(config) for config in configs)

    def forward(self, waveform: Tensor) -> Judged:
        return [judged for member in self.members for judged in member(waveform)]
