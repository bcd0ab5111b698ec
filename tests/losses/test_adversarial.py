import pytest
import torch
from torch import Tensor

from audiocodec.discriminators.base import DiscriminatorConfig, DiscriminatorOutput, ScaleOutputs
from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.feature_matching import feature_matching_loss


def scale_outputs(*logits: list[float]) -> ScaleOutputs:
    """One scale for each list, whose logits are also its only feature map."""
    return [(torch.tensor(values), [torch.tensor(values)]) for values in logits]


def output(real: ScaleOutputs, fake: ScaleOutputs, **options: object) -> DiscriminatorOutput:
    return DiscriminatorOutput(DiscriminatorConfig(**options), real, fake)


def test_hinge_by_hand():
    both = [output(scale_outputs([2.0, 0.0], [1.0]), scale_outputs([-2.0, 0.0], [0.5]))]
    # scale 1: (0 + 1) / 2 + (0 + 1) / 2 = 1; scale 2: 0 + 1.5
    assert float(discriminator_loss(both)) == pytest.approx((1 + 1.5) / 2)
    assert float(generator_loss(both)) == pytest.approx((1.0 - 0.5) / 2)


def test_a_clamped_hinge_leaves_a_generator_alone_that_scores_above_one():
    both = [
        output(scale_outputs([0.0]), scale_outputs([3.0, -1.0, 0.5]), objective="clamped_hinge")
    ]
    assert float(generator_loss(both)) == pytest.approx((0 + 2 + 0.5) / 3)
    assert float(discriminator_loss(both)) == pytest.approx(1 + (4 + 0 + 1.5) / 3)


def test_least_squares_by_hand():
    both = [
        output(scale_outputs([2.0, 0.0]), scale_outputs([-2.0, 1.0]), objective="least_squares")
    ]
    assert float(discriminator_loss(both)) == pytest.approx(1 + 2.5)
    assert float(generator_loss(both)) == pytest.approx(4.5)


def test_feature_matching_is_relative_to_the_real_maps_or_plain_and_zero_for_equal_ones():
    real, fake = scale_outputs([2.0, -4.0]), scale_outputs([3.0, -4.0])
    assert float(feature_matching_loss([output(real, real)])) == 0
    assert float(feature_matching_loss([output(real, fake)])) == pytest.approx(0.5 / 3)
    plain = output(real, fake, normalised_features=False)
    assert float(feature_matching_loss([plain])) == pytest.approx(0.5)


@pytest.mark.parametrize("loss", [discriminator_loss, generator_loss, feature_matching_loss])
def test_weights_count_discriminators_whatever_the_number_of_their_scales(loss):
    real, fake = ([0.5], [0.25]), ([-0.5], [0.75])
    once = loss([output(scale_outputs(*real), scale_outputs(*fake))])
    repeated = output(
        scale_outputs(*real * 3), scale_outputs(*fake * 3), weight=2.0, feature_weight=2.0
    )
    torch.testing.assert_close(loss([repeated]), 2 * once)
    torch.testing.assert_close(loss([repeated, repeated]), 4 * once)


def test_feature_matching_gives_the_real_maps_no_gradient():
    def ones() -> Tensor:
        return torch.ones(3, requires_grad=True)

    real, fake = ones(), ones()
    both = output([(torch.zeros(1), [real])], [(torch.zeros(1), [2 * fake])])
    feature_matching_loss([both]).backward()
    assert real.grad is None and fake.grad is not None
