import pytest
import torch

from audiocodec.discriminators import DISCRIMINATORS
from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.feature_matching import feature_matching_loss


@pytest.fixture(params=list(DISCRIMINATORS))
def discriminator(request):
    torch.manual_seed(0)
    config_class = DISCRIMINATORS[request.param][0]
    return DISCRIMINATORS.build(config_class())


def signal(name: str) -> torch.Tensor:
    noise = torch.randn(1, 1, 4800, generator=torch.Generator().manual_seed(0))
    square = torch.sign(torch.sin(torch.arange(4800) * 0.1)).view(1, 1, -1)
    signals = {"noise": 0.1 * noise, "silence": 0 * noise, "square": square, "tiny": 1e-9 * noise}
    return signals[name]


@pytest.mark.parametrize("name", ["silence", "square", "tiny"])
def test_gradients_are_finite_for_odd_signals(discriminator, name):
    fake = signal(name).requires_grad_()
    of_real, of_fake = discriminator(signal("noise")), discriminator(fake)
    loss = generator_loss(of_fake, "hinge") + feature_matching_loss(of_real, of_fake)
    loss = loss + discriminator_loss(of_real, of_fake, "hinge")
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(fake.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in discriminator.parameters())


def test_rows_of_a_batch_are_judged_alone(discriminator):
    batch = torch.cat([signal("noise"), signal("square")])
    together, alone = discriminator(batch), discriminator(batch[:1])
    for (logits, maps), (logits_alone, maps_alone) in zip(together, alone, strict=True):
        torch.testing.assert_close(logits[:1], logits_alone, atol=1e-5, rtol=1e-4)
        assert len(maps) == len(maps_alone) > 1


def test_it_learns_to_tell_noise_from_a_square_wave(discriminator):
    optimizer = torch.optim.AdamW(discriminator.parameters(), 1e-3)
    for _ in range(10):
        of_real, of_fake = discriminator(signal("noise")), discriminator(signal("square"))
        loss = discriminator_loss(of_real, of_fake, "hinge")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 1.9
