"""What each kind looks at, by closed forms."""

import pytest
import torch
from torch import Tensor

from audiocodec.discriminators.base import MIN_PEAK, scale_to_peak
from audiocodec.discriminators.ensemble import DiscriminatorEnsemble
from audiocodec.discriminators.ms_stft import MultiScaleStft, MultiScaleStftConfig
from audiocodec.discriminators.multi_band import MultiBand, MultiBandConfig
from audiocodec.discriminators.multi_period import MultiPeriod, MultiPeriodConfig
from audiocodec.discriminators.multi_resolution import MultiResolution, MultiResolutionConfig
from audiocodec.discriminators.spectrum import Spectrum, SpectrumConfig
from audiocodec.errors import ConfigError


def noise(num_samples: int, seed: int = 0) -> Tensor:
    return torch.randn(1, 1, num_samples, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("period", [2, 5])
def test_a_period_s_network_sees_each_phase_by_itself(period):
    judge = MultiPeriod(MultiPeriodConfig(periods=(period,), channels=(4, 4)))
    waveform = noise(60).requires_grad_()
    ((logits, _),) = judge(waveform)
    assert logits.shape[:2] == (1, period)
    for phase in range(period):
        (slope,) = torch.autograd.grad(logits[0, phase].sum(), waveform, retain_graph=True)
        seen = slope.flatten().nonzero().flatten()
        assert len(seen) > 0 and (seen % period == phase).all()


def test_a_signal_of_its_period_looks_constant_to_a_period_s_network():
    judge = MultiPeriod(MultiPeriodConfig(periods=(5,), channels=(4, 4)))
    ((logits, _),) = judge(torch.tensor([0.3, -0.2, 0.1, 0.5, -0.7]).repeat(60).view(1, 1, -1))
    inner = logits[..., 4:-4]  # where no padding is seen
    torch.testing.assert_close(inner, inner[..., :1].expand_as(inner))


@pytest.mark.parametrize("dilations", [(1,), (4,), (1, 2, 4)])
def test_dilations_set_how_many_frames_a_logit_sees(dilations):
    config = MultiScaleStftConfig(n_ffts=(32,), channels=4, dilations=dilations)
    (scale,) = MultiScaleStft(config).scales
    image = torch.randn(1, 2, 41, 17).requires_grad_()
    x = image
    for conv in [*scale.convs, scale.post]:
        x = conv(x)
    (slope,) = torch.autograd.grad(x[:, :, 20].sum(), image)
    frames = slope.abs().sum((0, 1, 3)).nonzero().flatten()
    reach = 1 + sum(dilations) + 1 + 1  # first, dilated, last and logits, each three frames high
    assert (int(frames.min()), int(frames.max())) == (20 - reach, 20 + reach)


def test_noise_has_unit_variance_in_every_bin_at_every_window_length():
    for n_fft in (64, 512):
        spectrum = Spectrum(n_fft, SpectrumConfig(exponent=1))(noise(200_000))
        power = spectrum.abs().square()[:, 4:-4, 1:-1].mean((0, 1))
        assert float(power.mean()) == pytest.approx(1, rel=0.05)
        assert float(power.min()) > 0.7 and float(power.max()) < 1.3


def test_compression_keeps_phases_and_takes_magnitudes_to_a_power():
    plain, compressed = (
        Spectrum(64, SpectrumConfig(exponent=exponent))(100 * noise(640)) for exponent in (1.0, 0.5)
    )
    torch.testing.assert_close(compressed.abs(), plain.abs().sqrt(), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(compressed.angle().cos(), plain.angle().cos(), rtol=1e-3, atol=1e-3)


def test_magnitudes_do_not_tell_a_signal_from_its_negative_but_complex_spectra_do():
    torch.manual_seed(0)
    blind = MultiResolution(MultiResolutionConfig(n_ffts=(64,), channels=4))
    seeing = MultiScaleStft(MultiScaleStftConfig(n_ffts=(64,), channels=4))
    for judge, same in ((blind, True), (seeing, False)):
        ((logits, _),), ((negative, _),) = judge(noise(640)), judge(-noise(640))
        assert torch.allclose(logits, negative) == same


def test_each_bin_reaches_the_maps_of_its_band_only():
    config = MultiBandConfig(n_ffts=(128,), channels=2, edges=(0.0, 0.5, 1.0), exponent=1)
    low = torch.cos(torch.arange(1280) * 2 * torch.pi * 10 / 128).view(1, 1, -1)  # bin 10 of 65
    torch.manual_seed(0)
    judge = MultiBand(config)
    ((_, silent_maps),), ((_, maps),) = judge(0 * low), judge(low)
    changes = [
        float((map_ - silent)[:, :, 4:-4].detach().abs().max())
        for map_, silent in zip(maps, silent_maps, strict=True)
    ]
    assert min(changes[:5]) > 1e-2 and max(changes[5:]) < 1e-3


def test_scaling_takes_shift_and_gain_from_the_real_waveform():
    real, fake = noise(100, 0) + 0.5, noise(100, 1)
    scaled_real, scaled_fake = scale_to_peak(real, fake, 0.8)
    assert float(scaled_real.abs().max()) == pytest.approx(0.8)
    assert float(scaled_real.mean()) == pytest.approx(0, abs=1e-6)
    gain = 0.8 / float((real - real.mean()).abs().max())
    torch.testing.assert_close(scaled_real - scaled_fake, (real - fake) * gain)


def test_scaling_of_silence_stops_at_the_floor():
    fake = (1e-9 * noise(100)).requires_grad_()
    _, scaled = scale_to_peak(torch.zeros(1, 1, 100), fake, 0.8)
    scaled.sum().backward()
    torch.testing.assert_close(fake.grad, torch.full_like(fake, 0.8 / MIN_PEAK))


def test_an_ensemble_normalises_weights_once_for_real_and_fake():
    judge = MultiScaleStft(MultiScaleStftConfig(n_ffts=(64,), channels=2))
    calls = []
    parametrization = judge.scales[0].post.parametrizations.weight[0]
    parametrization.register_forward_hook(lambda *_: calls.append(1))
    DiscriminatorEnsemble([judge])(noise(640), noise(640))
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (MultiScaleStftConfig, {"n_ffts": (255,)}),
        (MultiResolutionConfig, {"n_ffts": ()}),
        (MultiBandConfig, {"n_ffts": (16,)}),
        (MultiBandConfig, {"edges": (0.0, 1.5)}),
        (MultiPeriodConfig, {"periods": (0,)}),
        (MultiPeriodConfig, {"channels": ()}),
    ],
)
def test_settings_that_cannot_be_are_refused(config, options):
    with pytest.raises(ConfigError):
        config(**options)


def test_a_crop_too_short_to_reflect_is_refused_with_the_way_out():
    config = MultiResolutionConfig(n_ffts=(512,), channels=2, pad_mode="reflect")
    with pytest.raises(ConfigError, match="longer crops"):
        MultiResolution(config)(noise(256))
