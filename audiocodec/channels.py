"""Which channels of a recording are used: one, their mean, or each for itself."""

import logging
from typing import Literal

import numpy as np

from audiocodec.errors import AudioError

log = logging.getLogger(__name__)

Channel = int | Literal["mix", "each"]
_LOSS_DB = 5.9  # of the mean against the loudest channel: one dead channel of two, or worse


class ChannelChoice:
    """Takes the chosen channels of blocks of one recording.

    Args:
        channel: a number from 0, "mix" for the mean of all, "each" for all as they are.
        name: of the recording, for messages.

    Raises:
        AudioError: the recording has no such channel.
    """

    def __init__(self, channel: Channel, num_channels: int, name: str) -> None:
        if isinstance(channel, int) and not 0 <= channel < num_channels:
            raise AudioError(
                f"{name}: has {num_channels} channels, numbered from 0; there is no {channel}"
            )
        self.channel, self.num_channels, self.name = channel, num_channels, name
        self.count = num_channels if channel == "each" else 1
        self._power = np.zeros(num_channels)
        self._mixed_power = 0.0

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """A block (time, channels) to the chosen (`count`, time)."""
        if self.channel == "each":
            return samples.T
        if isinstance(self.channel, int):
            return samples[:, self.channel][None]
        if self.num_channels == 1:
            return samples.T
        mixed: np.ndarray = samples.mean(axis=1, keepdims=True).T
        self._power += np.einsum("tc,tc->c", samples, samples, dtype=np.float64)
        self._mixed_power += float(np.einsum("ct,ct->", mixed, mixed, dtype=np.float64))
        return mixed

    @property
    def fault(self) -> str:
        """How much quieter the mean is than the loudest channel so far, "" if it is not by much."""
        loudest = int(self._power.argmax())
        if not self._power[loudest] or not self._mixed_power:
            loss = np.inf if self._power[loudest] else 0.0
        else:
            loss = 10 * np.log10(self._power[loudest] / self._mixed_power)
        if loss < _LOSS_DB:
            return ""
        amount = f"{loss:.0f} dB quieter than" if loss < 100 else "silence, unlike"
        return f"the mean of its {self.num_channels} channels is {amount} channel {loudest}"

    def warn(self) -> None:
        """Say in the log that channels cancel one another, if they do."""
        if self.fault:
            log.warning("%s: %s; choose one with --channel", self.name, self.fault)
