import pytest
import torch
from torch import Tensor

from audiocodec.errors import ConfigError
from audiocodec.losses.balancer import Balancer, BalancerConfig


def output(rows: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(rows, 1, 50, generator=generator).requires_grad_()


def mean_norm(gradient: Tensor) -> float:
    return float(gradient.detach().flatten(1).norm(dim=1).mean())


def test_a_term_pulls_by_its_share_of_the_weights_whatever_its_scale():
    fake = output()
    balancer = Balancer(BalancerConfig(norm=2.0), {"left": 3.0, "right": 1.0})
    left, right = 1e-6 * fake[..., :25].sum(), 1e6 * fake[..., 25:].square().sum()
    gradient = balancer({"left": left, "right": right}, fake)
    assert mean_norm(gradient[..., :25]) == pytest.approx(2.0 * 3 / 4, rel=1e-5)
    assert mean_norm(gradient[..., 25:]) == pytest.approx(2.0 * 1 / 4, rel=1e-5)


def test_the_direction_is_that_of_the_gradients():
    fake = output()
    balancer = Balancer(BalancerConfig(), {"only": 1.0})
    gradient = balancer({"only": 5 * fake.square().sum()}, fake)
    torch.testing.assert_close(
        gradient / mean_norm(gradient), fake.detach() / mean_norm(fake), rtol=1e-4, atol=1e-6
    )


def test_the_norm_is_a_running_mean_without_a_trace_of_its_start():
    fake = output(1)
    balancer = Balancer(BalancerConfig(decay=0.5), {"only": 1.0})
    first = balancer({"only": fake.sum()}, fake)
    second = balancer({"only": 4 * fake.sum()}, fake)
    # means: 1; (0.5 * 1 + 4) / 1.5 = 3
    assert mean_norm(first) == pytest.approx(1)
    assert mean_norm(second) == pytest.approx(4 / 3)


def test_terms_that_come_late_or_weigh_nothing_leave_the_others_alone():
    fake = output()
    balancer = Balancer(BalancerConfig(), {"mel": 1.0, "adversarial": 3.0, "off": 0.0})
    early = balancer({"mel": fake.sum(), "off": fake.square().sum()}, fake)
    assert mean_norm(early) == pytest.approx(1)
    late = balancer({"mel": fake.sum(), "adversarial": -fake.sum()}, fake)
    torch.testing.assert_close(late, early * (0.25 - 0.75))


def test_silence_and_broken_terms_leave_the_running_means_usable():
    fake = output()
    balancer = Balancer(BalancerConfig(), {"only": 1.0})
    assert mean_norm(balancer({"only": 0 * fake.sum()}, fake)) == 0
    bad = balancer({"only": float("nan") * fake.sum()}, fake)
    assert not torch.isfinite(bad).all()  # for the guard to see
    again = balancer({"only": fake.sum()}, fake)
    assert torch.isfinite(again).all() and mean_norm(again) > 0


def test_running_means_are_saved_and_norms_averaged_over_processes():
    fake = output()
    balancer = Balancer(BalancerConfig(), {"only": 1.0})
    doubled = balancer({"only": fake.sum()}, fake, average=lambda norms: 2 * norms)
    assert mean_norm(doubled) == pytest.approx(0.5)
    restored = Balancer(BalancerConfig(), {"only": 1.0})
    restored.load_state_dict(balancer.state_dict())
    terms = {"only": fake.square().sum()}
    torch.testing.assert_close(restored(terms, fake), balancer(terms, fake), rtol=0, atol=0)


def test_a_decay_outside_its_range_is_refused():
    with pytest.raises(ConfigError):
        BalancerConfig(decay=1.0)
