"""What every row of the table keeps, tested without being named."""

import pytest
import torch
from torch import Tensor

from audiocodec.config import from_dict, to_dict
from audiocodec.discriminators import DISCRIMINATORS
from audiocodec.discriminators.base import Discriminator
from audiocodec.discriminators.ensemble import DiscriminatorEnsemble
from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.feature_matching import feature_matching_loss

NARROW: dict[str, dict[str, object]] = {
    "ms_stft": {"channels": 4, "n_ffts": [512, 128]},
    "multi_period": {"channels": [8, 16]},
    "multi_resolution": {"channels": 4},
    "multi_band": {"channels": 4, "n_ffts": [512]},
}


@pytest.fixture(params=list(DISCRIMINATORS))
def discriminator(request: pytest.FixtureRequest) -> Discriminator:
    """One of each kind, narrow where its default is too wide for a test."""
    torch.manual_seed(0)
    config_class = DISCRIMINATORS[request.param][0]
    judge: Discriminator = DISCRIMINATORS.build(
        from_dict(config_class, NARROW.get(request.param, {}))
    )
    return judge


def signal(name: str) -> Tensor:
    noise = torch.randn(1, 1, 4800, generator=torch.Generator().manual_seed(0))
    square = torch.sign(torch.sin(torch.arange(4800) * 0.1)).view(1, 1, -1)
    signals = {"noise": 0.1 * noise, "silence": 0 * noise, "square": square, "tiny": 1e-9 * noise}
    return signals[name]


@pytest.mark.parametrize("real", ["noise", "silence"])
@pytest.mark.parametrize("fake", ["silence", "square", "tiny"])
def test_gradients_are_finite_and_bounded_for_odd_signals(discriminator, real, fake):
    waveform = signal(fake).requires_grad_()
    both = [discriminator.compare(signal(real), waveform)]
    loss = generator_loss(both) + feature_matching_loss(both) + discriminator_loss(both)
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(waveform.grad).all()
    assert float(waveform.grad.norm()) < 1e4
    assert all(torch.isfinite(p.grad).all() for p in discriminator.parameters())


def test_rows_of_a_batch_are_judged_alone(discriminator):
    batch = torch.cat([signal("noise"), signal("square")])
    together, alone = discriminator(batch), discriminator(batch[:1])
    for (logits, maps), (logits_alone, maps_alone) in zip(together, alone, strict=True):
        torch.testing.assert_close(logits[:1], logits_alone, atol=1e-5, rtol=1e-4)
        assert len(maps) == len(maps_alone) > 1
        for feature_map, map_alone in zip(maps, maps_alone, strict=True):
            torch.testing.assert_close(feature_map[:1], map_alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("num_samples", [1, 319, 4799])
def test_crops_of_any_length_are_judged(discriminator, num_samples):
    for logits, _ in discriminator(signal("noise")[..., :num_samples]):
        assert logits.shape[0] == 1 and logits.numel() > 0


def test_it_learns_to_tell_noise_from_a_square_wave(discriminator):
    optimizer = torch.optim.AdamW(discriminator.parameters(), 1e-2)
    for _ in range(20):
        loss = discriminator_loss([discriminator.compare(signal("noise"), signal("square"))])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1.5  # 2 at the start: it cannot tell


def test_its_configuration_survives_being_written(discriminator):
    kind = DISCRIMINATORS.kind_of(discriminator.config)
    config_class = DISCRIMINATORS[kind][0]
    assert from_dict(config_class, to_dict(discriminator.config)) == discriminator.config


def test_an_ensemble_judges_as_its_members_do(discriminator):
    real, fake = signal("noise"), signal("square")
    both = DiscriminatorEnsemble([discriminator, discriminator])(real, fake)
    assert len(both) == 2
    for (logits, _), (expected, _) in zip(both[1].fake, discriminator(fake), strict=True):
        torch.testing.assert_close(logits, expected)
