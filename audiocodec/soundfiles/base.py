"""What every reader of sound files can do, and what it refuses."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import TypeVar

import numpy as np

from audiocodec.errors import AudioError, one_line

# What a header claims decides how much memory resampling takes.
MIN_RATE, MAX_RATE = 1_000, 1_000_000  # Hz
MAX_CHANNELS = 256
CURE = "get a whole copy (codec encode --allow-truncated takes what is there)"


def reason_of(error: Exception) -> str:
    """What libsndfile says, without the path, which may be a temporary one."""
    text = one_line(error)
    return text.rpartition(": ")[2] or text


Opened = TypeVar("Opened", bound="AudioFile")


class AudioFile(ABC):
    """An open sound file; samples are float32, nominally -1..1.

    Attributes:
        num_samples: of a channel; None until all of a file has been decoded that does not say it.
    """

    name: str
    sample_rate: int
    num_channels: int
    num_samples: int | None

    def _set_shape(self, sample_rate: int, num_channels: int) -> None:
        if not MIN_RATE <= sample_rate <= MAX_RATE:
            raise AudioError(
                f"{self.name}: claims a sample rate of {sample_rate} Hz; "
                f"{MIN_RATE} to {MAX_RATE} Hz are read"
            )
        if not 1 <= num_channels <= MAX_CHANNELS:
            raise AudioError(
                f"{self.name}: claims {num_channels} channels; up to {MAX_CHANNELS} are read"
            )
        self.sample_rate, self.num_channels = sample_rate, num_channels

    @abstractmethod
    def read(self, count: int) -> np.ndarray:
        """The next `count` samples (time, channels), fewer or none at the end.

        Raises:
            AudioError: damaged, truncated, longer than the header says, or not finite.
        """

    @abstractmethod
    def part(self, start: int, count: int | None) -> np.ndarray:
        """Samples `start` ... `start + count` - 1 (None: all from there), fewer at the end.

        Whether the file is whole is checked, too, as by `read`.
        """

    @abstractmethod
    def measure(self) -> int:
        """How many samples there are, which may take decoding them. Reading starts anew."""

    @abstractmethod
    def close(self) -> None:
        """Give the file back; it can be done twice."""

    def _finite(self, samples: np.ndarray, start: int) -> np.ndarray:
        if not np.isfinite(samples).all():
            first = start + int(np.argmin(np.isfinite(samples).all(axis=1)))
            raise AudioError(f"{self.name}: NaN or infinite sample at {first}; repair the file")
        return samples

    def __enter__(self: Opened) -> Opened:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
