import math

import pytest
import torch

from audiocodec.modules.front import SpectralFront

HOP, RATE = 160, 24_000


def views(waveform: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """MDCT and levels (frames, ...) of (time,), without the first frame, which sees silence."""
    front = SpectralFront(HOP, HOP + 20, 20, compression=30.0).double()
    with torch.no_grad():
        front.mix.weight.copy_(torch.eye(HOP + 20))
        front.mix.bias.zero_()
        both = front(waveform.double().view(1, -1, 1))[0, 1:]
    return both[:, :HOP], both[:, HOP:]


@pytest.mark.parametrize("frequency", [440.0, 1234.5, 5000.0])
def test_levels_show_how_strong_a_tone_is_whatever_its_phase(frequency):
    tone = 0.3 * torch.sin(2 * torch.pi * frequency / RATE * torch.arange(100 * HOP))
    mdct, levels = views(tone)
    loudest = levels.mean(0).argmax()
    assert levels[:, loudest].std() < 0.02
    assert mdct.abs().amax(1).std() > 0.02  # unlike the coefficients
    _, quieter = views(tone / 10)
    step = (levels - quieter)[:, loudest].mean()
    assert float(step) == pytest.approx(2 * math.log(10) / 5, rel=0.01)


def test_silence_and_full_scale_are_finite():
    for level in (0.0, 1.0, 100.0):
        assert torch.cat(views(torch.full((10 * HOP,), level)), dim=1).isfinite().all()
