"""A synthesis head of harmonics and noise: what cannot be coded is made, with the right character.

Low frequencies are MDCT coefficients, as in `MdctHead`. Above, a decoder cannot know phases, and a
network that predicts coefficients there settles on steady tones: a buzz. This head gives it two
flat excitations to mix instead, under a smooth envelope:

- harmonics of the voice: a memoryless nonlinearity makes every multiple of the pitch, in phase, of
  the low band, as high-frequency regeneration does (Makhoul and Berouti 1979);
- noise, from a fixed table.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError
from audiocodec.features.mdct import exact_tables, lapped_basis, mdct_basis
from audiocodec.modules.careful import careful_dtype
from audiocodec.modules.overlap import MAX_LOG_MAGNITUDE, overlap_add
from audiocodec.modules.streaming import StreamState, with_past

_TABLE_FRAMES = 256  # of noise before it repeats: 3.4 s at 75 frames/s
_TABLE_SEED = 1979
_SMOOTHED = 9  # coefficients over which an excitation is made flat
_QUIET = 1e-9  # power of a coefficient below which an excitation is left to fade, -90 dB
_INITIAL_SHARE = 1.0  # logit of the share of harmonics: most of it
_KNEE = 2.5  # of the knots' distances: constant below this multiple of `start`, then proportional


@dataclass(frozen=True)
class HarmonicHeadConfig:
    """Coefficients are counted from 0 Hz; each is sample_rate / (2 * hop_length) wide."""

    direct: int = 48  # predicted one by one
    source: int = 32  # of these, the ones that harmonics are made of
    start: int = 27  # the first that is excited
    knots: int = 36  # of the envelope
    bands: int = 8  # knots of the share of harmonics
    # When decoding, as a postfilter would: less gain makes noise softer; an exponent above 1 of its
    # share makes what is mixed more harmonic at the same power, and leaves pure noise as it is.
    noise_gain: float = 1.0
    noise_exponent: float = 1.0
    initial_log_magnitude: float = -5.0
    makes_noise: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not 0 < self.source <= self.direct:
            raise ConfigError(
                f"head.source is {self.source}; give 1 to head.direct ({self.direct})"
            )
        if not 0 < self.start <= self.direct:
            raise ConfigError(
                f"head.start is {self.start}; give 1 to head.direct ({self.direct}), "
                "or nothing makes the frequencies between"
            )
        if self.noise_gain < 0:
            raise ConfigError(f"head.noise_gain is {self.noise_gain}; give 0 or more")
        if self.noise_exponent <= 0:
            raise ConfigError(f"head.noise_exponent is {self.noise_exponent}; give more than 0")
        for name in ("knots", "bands"):
            if getattr(self, name) < 2:
                raise ConfigError(f"head.{name} is {getattr(self, name)}; give 2 or more")


class HarmonicHead(nn.Module):
    """Inverse MDCT of direct coefficients and shaped excitations; delay 2 blocks.

    One block more than an inverse MDCT takes: harmonics of a frame are made of the low band of all
    the blocks that it covers. In training mode each row starts anywhere in the table of noise;
    otherwise every signal starts at its beginning, so that decoding is deterministic, and the noise
    has the table's signs alone: what varies less in power follows its envelope better. (Training
    with signs teaches the head to make more noise than it should.)
    """

    delay = 2
    late = 1  # of these, the blocks before its input is heard at all
    basis: Tensor
    analysis: Tensor
    envelope: Tensor
    share: Tensor
    table: Tensor

    def __init__(self, config: HarmonicHeadConfig, channels: int, hop_length: int) -> None:
        super().__init__()
        if config.direct > hop_length or config.start >= hop_length:
            raise ConfigError(
                f"head.direct is {config.direct} and head.start {config.start}; the hop of "
                f"{hop_length} has coefficients 0 to {hop_length - 1}"
            )
        self.config, self.hop_length = config, hop_length
        excited = hop_length - config.start
        self.sizes = (config.direct, excited, excited)
        self.project = nn.Linear(channels, 2 * config.direct + config.knots + config.bands)
        with torch.no_grad():
            magnitude, _, envelope, share = self.project.bias.split(self._outputs)
            magnitude.fill_(config.initial_log_magnitude)
            envelope.fill_(config.initial_log_magnitude)
            share.fill_(_INITIAL_SHARE)
        basis = mdct_basis(hop_length)
        both = torch.cat(
            [basis[config.start :], lapped_basis(hop_length, torch.sin)[config.start :]]
        )
        for name, values in {
            "basis": basis,
            "analysis": both.t().contiguous(),
            "envelope": _interpolation(config.start, hop_length, config.knots),
            "share": _interpolation(config.start, hop_length, config.bands),
            "table": _noise_table(excited),
        }.items():
            self.register_buffer(name, values, persistent=False)
        # Each remembers a past of its own in the state of a stream.
        self.low_sum, self.low_past, self.waiting = nn.Identity(), nn.Identity(), nn.Identity()
        self.position = nn.Identity()

    @property
    def _outputs(self) -> list[int]:
        config = self.config
        return [config.direct, config.direct, config.knots, config.bands]

    def forward(self, features: Tensor, state: StreamState | None = None) -> Tensor:
        """(batch, frames, channels) -> (batch, frames * hop_length)."""
        with torch.autocast(features.device.type, enabled=False):
            # Making harmonics flat magnifies what rounding leaves beside a loud low band up to a
            # thousand times, enough to tell machines apart. So decoding makes them in float64.
            dtype = careful_dtype(self, features, self.basis.dtype)
            layer = self.project.weight.to(dtype), self.project.bias.to(dtype)
            direct, *gains = self._parts(F.linear(features.to(dtype), *layer))
            harmonics = self._harmonics(direct[..., : self.config.source].detach(), state)
            parts = torch.cat([direct.to(self.basis.dtype), *gains], dim=-1)
            ready = with_past(self.waiting, parts, 1, state)[:, :-1]  # the harmonics are as late
            direct, voiced, unvoiced = ready.split(self.sizes, dim=-1)
            noise = self._noise(features, state)
            if not self.training:
                noise = noise.sign() * self.config.noise_gain
            excited = voiced * harmonics + unvoiced * noise
            spectrum = F.pad(direct, (0, self.hop_length - self.config.direct)) + F.pad(
                excited, (self.config.start, 0)
            )
            return overlap_add(self, self._segments(spectrum, self.basis), state).flatten(1)

    def _parts(self, projected: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Direct coefficients and gains of both excitations, (batch, frames, size) each."""
        log_magnitude, phase, envelope, share = projected.split(self._outputs, dim=-1)
        direct = log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp() * phase.cos()
        envelope, share = envelope.to(self.basis.dtype), share.to(self.basis.dtype)
        gain = (envelope @ self.envelope).clamp(max=MAX_LOG_MAGNITUDE).exp()
        voiced, unvoiced = self._roots(share @ self.share)
        return direct, gain * voiced, gain * unvoiced

    def _roots(self, logit: Tensor) -> tuple[Tensor, Tensor]:
        """Square roots of the shares of harmonics and noise, for the former's logit."""
        if self.training or self.config.noise_exponent == 1:
            # By the logarithm, since a root has no gradient at 0.
            voiced, unvoiced = ((F.logsigmoid(side) / 2).exp() for side in (logit, -logit))
            return voiced, unvoiced
        noise = torch.sigmoid(-logit) ** self.config.noise_exponent
        return (1 - noise).sqrt(), noise.sqrt()

    def _segments(self, coefficients: Tensor, basis: Tensor) -> Tensor:
        segments = coefficients @ basis[: coefficients.shape[-1]]
        return segments.unflatten(-1, (2, self.hop_length))

    def _tables(self, low: Tensor) -> tuple[Tensor, Tensor]:
        """`basis` and `analysis` in the precision of `low`."""
        if low.dtype == self.basis.dtype:
            return self.basis, self.analysis
        return exact_tables(self.hop_length, self.config.start, low.device)

    def _harmonics(self, low: Tensor, state: StreamState | None) -> Tensor:
        """Flat coefficients (batch, frames, excited), a frame late, of those of the low band.

        Without a gradient for the low band: it has its own phases to learn.
        """
        basis, analysis = self._tables(low)
        waveform = overlap_add(self.low_sum, self._segments(low, basis), state)
        blocks = with_past(self.low_past, waveform.relu(), 1, state)
        frames = torch.cat([blocks[:, :-1], blocks[:, 1:]], dim=-1)
        cosine, sine = (frames @ analysis).to(self.basis.dtype).chunk(2, dim=-1)
        power = (cosine.square() + sine.square()) / 2
        level = F.avg_pool1d(power, _SMOOTHED, 1, _SMOOTHED // 2, count_include_pad=False)
        return cosine * (level + _QUIET).rsqrt()

    def _noise(self, features: Tensor, state: StreamState | None) -> Tensor:
        """The next frames (batch, frames, excited) of the table."""
        batch, frames, device = features.shape[0], features.shape[1], features.device
        past = None if state is None else state.get(self.position)
        if past is not None:
            (start,) = past
        elif self.training:
            start = torch.randint(_TABLE_FRAMES, (batch, 1), device=device)
        else:
            start = torch.zeros(batch, 1, dtype=torch.int64, device=device)
        if state is not None:
            state.put(self.position, (start + frames) % _TABLE_FRAMES)
        return self.table[(start + torch.arange(frames, device=device)) % _TABLE_FRAMES]


def _interpolation(start: int, stop: int, knots: int) -> Tensor:
    """(knots, stop - start): weights of the knots in each coefficient, linear between two.

    Knots are further apart at high frequencies, in proportion to `_KNEE * start` + frequency, as
    critical bands are.
    """
    place = (torch.arange(start, stop, dtype=torch.float64) + 0.5) / (_KNEE * start)
    warped = torch.log1p(place)
    span = (warped[-1] - warped[0]).clamp_min(1e-9)
    position = (warped - warped[0]) / span * (knots - 1)
    distance = (position.unsqueeze(0) - torch.arange(knots).unsqueeze(1)).abs()
    return (1 - distance).clamp_min(0).float()


def _noise_table(columns: int) -> Tensor:
    """(256, columns) of unit variance, by integer arithmetic: the same on every machine.

    Uniform, not Gaussian: a sample of the waveform adds up hundreds of them.
    """
    words = np.random.Philox(key=_TABLE_SEED).random_raw(columns * _TABLE_FRAMES) >> np.uint64(40)
    uniform = (words.astype(np.float64) + 0.5) / 2**24 - 0.5  # 24 bits, and never 0
    values = (uniform * math.sqrt(12)).astype(np.float32)
    return torch.from_numpy(values.reshape(columns, _TABLE_FRAMES).T.copy())
