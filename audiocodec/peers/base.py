"""What every codec that is measured beside ours looks like."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.models.cost import Cost, count_macs, num_parameters
from audiocodec.models.threads import torch_threads

_COUNTED_SECONDS = 2  # and twice as much: what is done once a call drops out of the difference


class Codebook(NamedTuple):
    """One stage: how many codes there are, and how many of them a second takes."""

    size: int
    rate: float

    @property
    def bitrate(self) -> float:
        """Bits/s without entropy coding."""
        return self.rate * math.log2(self.size)


class Peer(ABC):
    """A codec behind the interface that measuring needs; its module is in evaluation mode.

    Waveforms are (channels, time) float32 at `sample_rate`, with `num_channels` channels.

    Args:
        package: the distribution that runs it.
        codebooks: all there are, first stage first; empty for what has no codes.
        counts: how many of them it can be used with; the last one is the default unless `count`
            says otherwise.
    """

    name: str

    def __init__(
        self,
        model: Any,
        package: str,
        sample_rate: int,
        codebooks: Sequence[Codebook],
        counts: Sequence[int],
        count: int | None = None,
        num_channels: int = 1,
    ) -> None:
        if isinstance(model, nn.Module):
            model.eval().requires_grad_(False)
        self.model = model
        self.package, self.sample_rate, self.num_channels = package, sample_rate, num_channels
        self._codebooks, self._counts = codebooks, counts
        self.num_quantizers = counts[-1] if count is None else count

    @abstractmethod
    def encode(self, waveform: Tensor) -> Any:
        """What `decode` takes."""

    @abstractmethod
    def decode(self, coded: Any) -> Tensor:
        """A waveform; it may be longer or shorter than the one that was encoded."""

    @abstractmethod
    def stages(self, coded: Any) -> list[Tensor]:
        """Of each codebook in use its codes (frames,) int64."""

    def costs(self, waveform: Tensor) -> tuple[int, Cost]:
        """Weights, and multiply-accumulates per second of audio, counted on `waveform`."""
        rate = self.sample_rate
        short, long = (
            count_macs(self.encode, self.decode, _repeated(waveform, seconds * rate))
            for seconds in (_COUNTED_SECONDS, 2 * _COUNTED_SECONDS)
        )
        encode, decode = long.encode - short.encode, long.decode - short.decode
        per_second = Cost(encode / _COUNTED_SECONDS, decode / _COUNTED_SECONDS)
        return num_parameters(self.model), per_second

    def first_codes(self, waveform: Tensor) -> tuple[int, Any] | None:
        """Samples of `waveform` after which a stream has codes, and those; None: no streams."""
        return None

    def first_sound(self, waveform: Tensor) -> tuple[int, Any] | None:
        """Samples of `waveform` after which a stream is heard, and what; None: no streams."""
        return None

    def threads(self, count: int | None) -> AbstractContextManager[None]:
        """Let it use so many CPU threads inside the block; None leaves it as it is."""
        return torch_threads(count)

    @property
    def codebooks(self) -> Sequence[Codebook]:
        """Those in use."""
        return self._codebooks[: self.num_quantizers]

    @property
    def bitrate(self) -> float | None:
        """Bits/s of the codebooks in use; None for what has no codes."""
        return sum(book.bitrate for book in self.codebooks) if self._codebooks else None

    def choose(self, num_quantizers: int | None = None, bandwidth: float | None = None) -> None:
        """Use so many codebooks, or as many as give `bandwidth` (kbit/s); None of both: as it is.

        Raises:
            ConfigError: the codec was not made for that.
        """
        rates = {count: self._kilobits(count) for count in self._counts}
        if bandwidth is not None:
            fitting = [
                n for n, rate in rates.items() if math.isclose(rate, bandwidth, rel_tol=0.01)
            ]
            num_quantizers = fitting[0] if fitting else 0
        if num_quantizers is None:
            return
        if num_quantizers not in rates or not self._codebooks:
            known = ", ".join(f"{n} ({rate:.3g} kbit/s)" for n, rate in rates.items())
            asked = f"{bandwidth:g} kbit/s" if bandwidth is not None else f"{num_quantizers}"
            has = f"has quantizers {known}" if self._codebooks else "has no quantizers to choose"
            raise ConfigError(f"{self.name}: {has}, not {asked}")
        self.num_quantizers = num_quantizers

    def _kilobits(self, count: int) -> float:
        return sum(book.bitrate for book in self._codebooks[:count]) / 1000


def _repeated(waveform: Tensor, num_samples: int) -> Tensor:
    times = -(-num_samples // waveform.shape[-1])
    return waveform.repeat(1, times)[:, :num_samples]
