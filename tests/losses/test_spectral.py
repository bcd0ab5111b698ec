import math
from dataclasses import replace

import pytest
import torch

from audiocodec.errors import ConfigError
from audiocodec.losses.spectral import (
    DAC_MEL,
    VOCOS_MEL,
    MultiResolutionMel,
    MultiResolutionMelConfig,
    MultiResolutionStft,
    MultiResolutionStftConfig,
    waveform_l1,
)

RATE = 24_000
LOSSES = {
    "mel": MultiResolutionMel(MultiResolutionMelConfig(floor=1e-5), RATE),
    "mel of Vocos": MultiResolutionMel(VOCOS_MEL, RATE),
    "mel of DAC": MultiResolutionMel(DAC_MEL, RATE),
    "stft": MultiResolutionStft(MultiResolutionStftConfig(), RATE),
    "magnitudes": MultiResolutionStft(
        MultiResolutionStftConfig(complex=0, log_magnitude=1, convergence=1), RATE
    ),
    "waveform": waveform_l1,
}


def noise(seed: int = 0) -> torch.Tensor:
    return 0.1 * torch.randn(2, 1, 7200, generator=torch.Generator().manual_seed(seed))


def test_mel_distance_of_a_scaled_signal_is_the_log_of_the_gain():
    waveform = noise()
    assert float(LOSSES["mel"](waveform, 2 * waveform)) == pytest.approx(math.log(2), rel=1e-3)


def test_waveform_distance_is_the_mean_absolute_difference():
    assert float(waveform_l1(torch.zeros(1, 1, 4), torch.tensor([[[1.0, -1, 0, 2]]]))) == 1.0


def test_the_spectral_distance_sees_phase_and_the_mel_distance_does_not():
    waveform = noise()
    assert float(LOSSES["stft"](waveform, -waveform)) > 0.1
    assert float(LOSSES["mel"](waveform, -waveform)) == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("name", LOSSES)
def test_equal_signals_have_no_distance(name):
    assert float(LOSSES[name](noise(), noise())) == 0


@pytest.mark.parametrize("name", [name for name in LOSSES if name != "magnitudes"])
def test_distance_is_symmetric(name):
    loss = LOSSES[name]
    assert float(loss(noise(0), noise(1))) == pytest.approx(float(loss(noise(1), noise(0))))


@pytest.mark.parametrize("name", ["mel of Vocos", "mel of DAC"])
def test_mel_settings_of_others_give_the_log_of_the_gain_too(name):
    waveform = noise()
    assert float(LOSSES[name](waveform, waveform / 3)) == pytest.approx(math.log(3), rel=2e-2)


def test_the_linear_mel_distance_grows_with_the_amplitude():
    config = MultiResolutionMelConfig(windows=(512,), n_mels=(20,), floor=1e-6)
    log, both = (MultiResolutionMel(replace(config, linear=linear), RATE) for linear in (0.0, 2.0))
    quiet, loud = (
        both(a * noise(0), a * noise(1)) - log(a * noise(0), a * noise(1)) for a in (1, 5)
    )
    torch.testing.assert_close(loud, 5 * quiet)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (MultiResolutionMel, MultiResolutionMelConfig),
        (MultiResolutionStft, MultiResolutionStftConfig),
    ],
)
def test_distances_do_not_hear_above_their_limit(kind, options):
    limited = kind(options(high=6_000), RATE)
    whole = kind(options(), RATE)
    fade = torch.hann_window(7200)  # a sudden tone would be heard everywhere
    tone = fade * torch.sin(2 * torch.pi * 9_000 / RATE * torch.arange(7200)).view(1, 1, -1)
    waveform = noise()[:1]
    heard = float(whole(waveform, waveform + tone))
    assert float(limited(waveform, waveform + tone)) < 0.05 * heard


def test_spectral_convergence_and_log_magnitude_of_a_scaled_signal():
    options = {"complex": 0.0, "floor": 1e-6}
    convergence = MultiResolutionStft(MultiResolutionStftConfig(convergence=1, **options), RATE)
    log = MultiResolutionStft(MultiResolutionStftConfig(log_magnitude=1, **options), RATE)
    waveform = noise()
    assert float(convergence(waveform, 0.75 * waveform)) == pytest.approx(0.25, rel=1e-4)
    assert float(log(waveform, 0.75 * waveform)) == pytest.approx(-math.log(0.75), rel=1e-4)


def test_the_compressed_distance_of_a_scaled_signal_is_the_power_of_the_gain():
    loss = MultiResolutionStft(MultiResolutionStftConfig(exponent=0.3, floor=1e-6), RATE)
    waveform = noise()
    whole, part = (float(loss(waveform, gain * waveform)) for gain in (0.0, 0.5))
    assert part / whole == pytest.approx(1 - 0.5**0.3, rel=1e-3)


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (MultiResolutionMelConfig, {"windows": (512,), "n_mels": (20, 10)}),
        (MultiResolutionMelConfig, {"floor": 0.0}),
        (MultiResolutionMelConfig, {"windows": (), "n_mels": ()}),
        (MultiResolutionStftConfig, {"windows": (511,)}),
        (MultiResolutionStftConfig, {"floor": 0.0}),
    ],
)
def test_settings_that_cannot_be_are_refused(config, options):
    with pytest.raises(ConfigError):
        config(**options)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("real", ["silence", "noise"])
@pytest.mark.parametrize("fake", ["silence", "square", "tiny"])
def test_gradients_are_finite(name, real, fake):
    signals = {
        "silence": torch.zeros(1, 1, 7200),
        "noise": noise()[:1],
        "square": torch.sign(torch.sin(torch.arange(7200) * 0.1)).view(1, 1, -1),
        "tiny": 1e-9 * noise()[:1],
    }
    waveform = signals[fake].clone().requires_grad_()
    LOSSES[name](signals[real], waveform).backward()
    assert torch.isfinite(waveform.grad).all()
    assert float(waveform.grad.norm()) < 1e7  # the floor of Vocos is 1e-7


def test_losses_stay_in_float32_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        half = LOSSES["mel"](noise(0), noise(1))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, LOSSES["mel"](noise(0), noise(1)))
