import pytest
import torch

from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.feature_matching import feature_matching_loss


def judged(*logits: list[float]) -> list[tuple[torch.Tensor, list[torch.Tensor]]]:
    return [(torch.tensor(values), [torch.tensor(values)]) for values in logits]


def test_hinge_by_hand():
    real, fake = judged([2.0, 0.0], [1.0]), judged([-2.0, 0.0], [0.5])
    # scale 1: (0 + 1) / 2 + (0 + 1) / 2 = 1; scale 2: 0 + 1.5
    assert float(discriminator_loss(real, fake, "hinge")) == pytest.approx((1 + 1.5) / 2)
    assert float(generator_loss(fake, "hinge")) == pytest.approx((1.0 - 0.5) / 2)


def test_least_squares_by_hand():
    real, fake = judged([2.0, 0.0]), judged([-2.0, 1.0])
    assert float(discriminator_loss(real, fake, "least_squares")) == pytest.approx(1 + 2.5)
    assert float(generator_loss(fake, "least_squares")) == pytest.approx(4.5)


def test_feature_matching_is_relative_to_the_real_maps_and_zero_for_equal_ones():
    real, fake = judged([2.0, -4.0]), judged([3.0, -4.0])
    assert float(feature_matching_loss(real, real)) == 0
    assert float(feature_matching_loss(real, fake)) == pytest.approx(0.5 / 3)
    assert float(feature_matching_loss(real, fake, normalised=False)) == pytest.approx(0.5)


def test_feature_matching_gives_the_real_maps_no_gradient():
    real = [(torch.zeros(1), [torch.ones(3, requires_grad=True)])]
    fake = [(torch.zeros(1), [torch.zeros(3, requires_grad=True)])]
    feature_matching_loss(real, fake).backward()
    assert real[0][1][0].grad is None and fake[0][1][0].grad is not None
