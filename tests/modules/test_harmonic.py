"""What the head of harmonics and noise makes of a low band and two envelopes."""

import math

import pytest
import torch
from torch import Tensor, nn

from audiocodec.errors import ConfigError
from audiocodec.features.mdct import mdct_basis
from audiocodec.modules.harmonic import HarmonicHead, HarmonicHeadConfig
from audiocodec.modules.streaming import StreamState

HOP, RATE, FRAMES = 320, 24_000, 150


def head_and_features(gain: float, share: float, **noise: float) -> tuple[HarmonicHead, Tensor]:
    """A head with a 150 Hz voice as its low band and constant log gain and logit above."""
    config = HarmonicHeadConfig(direct=27, source=27, start=27, **noise)
    head = HarmonicHead(config, 8, HOP).eval()
    time = torch.arange((FRAMES + 1) * HOP)
    voice = sum(0.1 * (2 * math.pi * 150 * n * time / RATE).cos() for n in (1, 2, 3, 4))
    coefficients = voice.unfold(0, 2 * HOP, HOP) @ mdct_basis(HOP)[:27].T
    magnitude = coefficients.abs().clamp_min(1e-12).log()
    phase = torch.where(coefficients < 0, math.pi, 0.0)
    envelopes = [
        torch.full((FRAMES, config.knots), gain),
        torch.full((FRAMES, config.bands), share),
    ]
    features = torch.cat([magnitude, phase, *envelopes], dim=-1).unsqueeze(0)
    head.project = nn.Linear(features.shape[-1], features.shape[-1])
    head.project.requires_grad_(False)  # features are already what the head shapes
    nn.init.eye_(head.project.weight)
    nn.init.zeros_(head.project.bias)
    return head, features


def spectrum(waveform: Tensor) -> Tensor:
    """Power at 0, 1, 2, ... Hz of the last second."""
    tail = waveform[0, -RATE:]
    return torch.fft.rfft(tail * torch.hann_window(RATE)).abs().square()


def test_harmonics_of_the_low_band_continue_above_it() -> None:
    head, features = head_and_features(gain=-5.0, share=30.0)
    power = spectrum(head(features))  # 1 Hz a bin
    for harmonic in range(1500, 9000, 150):
        peak = power[harmonic - 3 : harmonic + 4].sum()
        assert peak > 10 * power[harmonic + 20 : harmonic + 131].sum()


@pytest.mark.parametrize("noise_gain", [1.0, 0.5])
def test_noise_is_flat_and_of_the_level_asked_for(noise_gain: float) -> None:
    head, features = head_and_features(gain=-4.0, share=-30.0, noise_gain=noise_gain)
    power = spectrum(head(features))
    bands = torch.stack([power[low : low + 1000].mean() for low in range(1500, 11_000, 1000)])
    level = 10 * (bands.log10() - bands.mean().log10())
    assert level.abs().max() < 0.6  # dB
    waveform = head(features)[0, RATE // 2 :]
    share = (HOP - 27) / HOP  # of the coefficients; an orthonormal transform keeps their energy
    voice = 4 * 0.1**2 / 2
    noise = share * math.exp(-8) * noise_gain**2
    assert float(waveform.square().mean() - voice) == pytest.approx(noise, rel=0.1)


def test_an_exponent_turns_noise_into_harmonics_of_the_same_power_and_leaves_pure_noise() -> None:
    def power(share: float, exponent: float) -> tuple[float, float]:
        head, features = head_and_features(gain=-4.0, share=share, noise_exponent=exponent)
        lines = spectrum(head(features))[1500:10_500].view(-1, 150)
        near = torch.arange(150).sub(75).abs() > 70  # within 5 Hz of a multiple of 150 Hz
        return float(lines[:, near].sum()), float(lines[:, ~near].sum())

    (_, half), (_, quarter) = power(0.0, 1.0), power(0.0, 2.0)
    assert quarter == pytest.approx(half / 2, rel=0.1)
    assert sum(power(0.0, 2.0)) == pytest.approx(sum(power(0.0, 1.0)), rel=0.1)
    assert power(-30.0, 4.0) == pytest.approx(power(-30.0, 1.0), rel=1e-4)


@pytest.mark.parametrize("share", [-200.0, 200.0])
def test_gradients_are_finite_however_sure_the_head_is(share: float) -> None:
    head, features = head_and_features(gain=-4.0, share=share)
    features.requires_grad_()
    head(features).square().sum().backward()
    assert features.grad is not None and torch.isfinite(features.grad).all()


def test_rows_hear_other_noise_in_training_only() -> None:
    head, features = head_and_features(gain=-4.0, share=-30.0)
    two = features.repeat(2, 1, 1)
    first, second = head(two)
    assert torch.equal(first, second)
    torch.manual_seed(1)
    first, second = head.train()(two)
    assert not torch.allclose(first, second)


def test_streams_that_start_at_other_times_may_share_a_batch() -> None:
    head, features = head_and_features(gain=-4.0, share=0.0)
    whole = head(features)
    early, late = StreamState(), StreamState()
    head(features[:, :300], early)
    head(features[:, :3], early), head(features[:, :3], late)
    joined = StreamState.join([early, late])
    head(features[:, 3:5].repeat(2, 1, 1), joined)
    late_alone = joined.split(2)[1]
    torch.testing.assert_close(head(features[:, 5:9], late_alone), whole[:, 5 * HOP : 9 * HOP])


@pytest.mark.parametrize("options", [{"source": 60}, {"start": 60}, {"knots": 1}, {"bands": 1}])
def test_ranges_that_leave_a_gap_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"head.{next(iter(options))}"):
        HarmonicHeadConfig(**options)
