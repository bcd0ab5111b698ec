"""The set that the SimVQ audio recipe trains with: sizes, maps, and its losses term by term."""

import pytest
import torch
import yaml

from audiocodec.config import from_dict
from audiocodec.discriminators import DISCRIMINATORS
from audiocodec.discriminators.base import Discriminator, DiscriminatorOutput
from audiocodec.discriminators.spectrum import Spectrum, SpectrumConfig
from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.feature_matching import feature_matching_loss

# Weights undo our means over scales and maps where the reference takes sums: Vocos divides by the
# number of scales and sums 5 or 6 maps; DAC sums 5 periods and 3 resolutions of 5 and 25 maps.
REFERENCE = """
- {kind: multi_period, objective: clamped_hinge, normalised_features: false, feature_weight: 5}
- {kind: multi_resolution, objective: clamped_hinge, normalised_features: false, feature_weight: 6,
   window: rectangular, unit_energy: false, exponent: 1, pad_mode: reflect}
- {kind: multi_period, objective: least_squares, normalised_features: false, weight: 5,
   feature_weight: 25, peak: 0.8, first_map: true, logits_map: false, extra_period: true}
- {kind: multi_band, objective: least_squares, normalised_features: false, weight: 3,
   feature_weight: 75, peak: 0.8, window: rectangular, unit_energy: false, exponent: 1,
   pad_mode: reflect}
"""
NARROW = {"multi_period": {"channels": [2, 2, 2, 2, 2]}}


def build(narrow: bool = False) -> list[Discriminator]:
    torch.manual_seed(0)
    members = []
    for options in yaml.safe_load(REFERENCE):
        kind = options.pop("kind")
        if narrow:
            options |= NARROW.get(kind, {"channels": 2})
        members.append(DISCRIMINATORS.build(from_dict(DISCRIMINATORS[kind][0], options)))
    return members


@pytest.fixture(scope="module")
def outputs() -> list[DiscriminatorOutput]:
    generator = torch.Generator().manual_seed(0)
    real, fake = (0.1 * torch.randn(2, 1, 4620, generator=generator) for _ in range(2))
    with torch.no_grad():
        return [member.compare(real, fake) for member in build(narrow=True)]


def test_it_has_the_sizes_of_the_reference():
    sizes = [sum(p.numel() for p in member.parameters()) for member in build()]
    assert sizes[0] == 41_105_770 and sizes[1] == 600_198
    assert sizes[2] + sizes[3] == 42_519_760


def test_it_matches_the_maps_of_the_reference(outputs):
    maps = [[len(maps) for _, maps in output.real] for output in outputs]
    assert maps == [[5] * 5, [6] * 3, [5] * 5, [25] * 3]


def test_whole_periods_are_padded_by_one_more(outputs):
    for scale, period in enumerate((2, 3, 5, 7, 11)):  # 4620 holds whole periods of all
        plain, extra = (outputs[i].real[scale][0].shape[-1] for i in (0, 2))
        steps = 4620 // period
        assert (plain, extra) == (length_after_convs(steps), length_after_convs(steps + 1))


def length_after_convs(steps: int) -> int:
    for _ in range(4):
        steps = (steps - 1) // 3 + 1
    return steps


def test_its_spectrum_is_that_of_torch():
    config = SpectrumConfig(window="rectangular", unit_energy=False, exponent=1, pad_mode="reflect")
    waveform = torch.randn(2, 1, 4000, generator=torch.Generator().manual_seed(0))
    expected = torch.stft(
        waveform.squeeze(1), 512, 128, window=torch.ones(512), center=True, return_complex=True
    )
    torch.testing.assert_close(
        Spectrum(512, config)(waveform).transpose(1, 2), expected, atol=1e-4, rtol=1e-4
    )


def test_its_generator_losses_are_those_of_the_reference_term_by_term(outputs):
    def hinge(index: int) -> float:
        logits = [scale[0] for scale in outputs[index].fake]
        return sum(float((1 - x).clamp_min(0).mean()) for x in logits) / len(logits)

    def least_squares(index: int) -> float:
        return sum(float((1 - x).square().mean()) for x, _ in outputs[index].fake)

    expected = hinge(0) + hinge(1) + least_squares(2) + least_squares(3)
    assert float(generator_loss(outputs)) == pytest.approx(expected, rel=1e-5)


def test_its_discriminator_losses_are_those_of_the_reference_term_by_term(outputs):
    def scales(index: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
        pairs = zip(outputs[index].real, outputs[index].fake, strict=True)
        return [(real, fake) for (real, _), (fake, _) in pairs]

    expected = 0.0
    for index in (0, 1):
        expected += sum(
            float((1 - real).clamp_min(0).mean() + (1 + fake).clamp_min(0).mean())
            for real, fake in scales(index)
        ) / len(scales(index))
    for index in (2, 3):
        expected += sum(
            float((1 - real).square().mean() + fake.square().mean()) for real, fake in scales(index)
        )
    assert float(discriminator_loss(outputs)) == pytest.approx(expected, rel=1e-5)


def test_its_feature_matching_is_that_of_the_reference_term_by_term(outputs):
    expected = 0.0
    for output, divisor in zip(outputs, (5, 3, 1, 1), strict=True):
        pairs = [
            (real, fake)
            for (_, real_maps), (_, fake_maps) in zip(output.real, output.fake, strict=True)
            for real, fake in zip(real_maps, fake_maps, strict=True)
        ]
        expected += sum(float((fake - real).abs().mean()) for real, fake in pairs) / divisor
    assert float(feature_matching_loss(outputs)) == pytest.approx(expected, rel=1e-5)


def test_each_sound_is_normalised_by_itself_where_that_is_asked_for():
    """As DAC does: without its mean, its peak at 0.8; the fake at full scale whatever its level."""
    heard = []

    class Listener(Discriminator):
        def forward(self, waveform):
            heard.append(waveform)
            return []

    listener = Listener()
    listener.config = from_dict(
        DISCRIMINATORS["multi_period"][0], {"peak": 0.8, "normalisation": "each"}
    )
    real, fake = torch.tensor([[[0.1, 0.3, 0.2]]]), torch.tensor([[[1e-4, -1e-4, 0.0]]])
    listener.compare(real, fake)
    torch.testing.assert_close(heard[0], torch.tensor([[[-0.8, 0.8, 0.0]]]))
    torch.testing.assert_close(heard[1], torch.tensor([[[0.8, -0.8, 0.0]]]), rtol=1e-4, atol=1e-6)
    listener.config = from_dict(DISCRIMINATORS["multi_period"][0], {"peak": 0.8})
    listener.compare(real, fake)
    torch.testing.assert_close(heard[3], 8 * (fake - 0.2))  # with the mean and gain of the real
