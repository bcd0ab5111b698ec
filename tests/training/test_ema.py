"""Averages of weights on numbers that can be checked by hand."""

import pytest
import torch
from torch import nn

from audiocodec.training.ema import Ema


@pytest.mark.parametrize(
    ("warmup", "expected"),
    # From 0 towards 1: decays 1/10 and 2/11 while it is young, or 0.9 twice.
    [(True, [0.9, 1 - 0.1 * 2 / 11]), (False, [0.1, 0.19])],
)
def test_a_young_average_forgets_faster_unless_its_decay_is_constant(warmup, expected):
    module = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(module.weight)
    average = Ema(module, decay=0.9, warmup=warmup)
    nn.init.ones_(module.weight)
    for value in expected:
        average.update(module)
        assert average.average.weight.item() == pytest.approx(value)
    assert torch.equal(module.weight, torch.ones(1, 1))
