import math

import pytest
import torch

from audiocodec.losses.spectral import (
    MultiResolutionMel,
    MultiResolutionMelConfig,
    MultiResolutionStft,
    MultiResolutionStftConfig,
    waveform_l1,
)

RATE = 24_000
LOSSES = {
    "mel": MultiResolutionMel(MultiResolutionMelConfig(floor=1e-5), RATE),
    "stft": MultiResolutionStft(MultiResolutionStftConfig()),
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
def test_equal_signals_have_no_distance_and_distance_is_symmetric(name):
    loss = LOSSES[name]
    assert float(loss(noise(), noise())) == 0
    assert float(loss(noise(0), noise(1))) == pytest.approx(float(loss(noise(1), noise(0))))


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


def test_losses_stay_in_float32_under_autocast():
    with torch.autocast("cpu", torch.bfloat16):
        half = LOSSES["mel"](noise(0), noise(1))
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, LOSSES["mel"](noise(0), noise(1)))
