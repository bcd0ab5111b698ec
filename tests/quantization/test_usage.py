"""Usage by closed forms."""

import math

import numpy as np
import pytest
import torch

from audiocodec.quantization.grouped import GroupedSimVQ, GroupedSimVQConfig
from audiocodec.quantization.simvq import SimVQ, SimVQConfig
from audiocodec.quantization.usage import UsageCounter, map_ranks, usage_report


def test_usage_of_known_counts():
    counter = UsageCounter([4, 8])
    counter.update(torch.tensor([[[0, 0, 1, 1], [7, 7, 7, 7]]]))
    first, second = counter.per_codebook()
    assert (first.used, first.entropy, first.perplexity, first.share) == (2, 1.0, 2.0, 0.5)
    assert (second.used, second.entropy, second.perplexity) == (1, 0.0, 1.0)
    uniform = UsageCounter([1024])
    uniform.update(torch.from_numpy(np.arange(1024)).view(1, 1, -1))
    assert uniform.per_codebook()[0].entropy == pytest.approx(math.log2(1024))


def test_counts_of_parts_add_up_to_those_of_the_whole():
    codes = torch.randint(32, (4, 2, 50), generator=torch.Generator().manual_seed(0))
    whole, left, right = UsageCounter([32, 32]), UsageCounter([32, 32]), UsageCounter([32, 32])
    whole.update(codes)
    left.update(codes[:1])
    right.update(codes[1:].unflatten(-1, (5, 10)))
    left.merge(right)
    assert all(map(torch.equal, left.counts, whole.counts))
    left.add_up(lambda counts: 2 * counts)
    assert left.per_codebook()[0].total == 2 * whole.per_codebook()[0].total
    assert left.per_codebook()[0].entropy == whole.per_codebook()[0].entropy


def test_equal_use_reaches_what_it_can_reach():
    counter = UsageCounter([512])
    counter.update(torch.randint(512, (1, 1, 400), generator=torch.Generator().manual_seed(0)))
    stage = counter.per_codebook()[0]
    assert stage.share == pytest.approx(stage.reachable, abs=0.05)
    assert stage.dead == 512 - stage.used


def test_a_report_has_the_bitrates_of_the_stages_that_were_counted():
    counter = UsageCounter([4, 4, 4])
    counter.update(torch.tensor([[[0, 1, 2, 3], [0, 0, 1, 1]]]))
    report = usage_report(counter, frame_rate=75.0)
    assert (report["frames"], len(report["stages"])) == (4, 2)
    assert report["nominal_bitrate"] == 75 * 4 and report["entropy_bitrate"] == 75 * 3


@pytest.mark.parametrize(("values", "effective"), [([1, 1, 1, 1], 4), ([1, 1, 0, 0], 2)])
def test_the_rank_of_a_known_map(values, effective):
    quantizer = SimVQ(SimVQConfig(codebook_size=8), 4)
    turn = torch.linalg.qr(torch.randn(4, 4)).Q
    with torch.no_grad():
        quantizer.projection.weight.copy_(turn @ torch.diag(torch.tensor(values).float()) @ turn.T)
    (rank,) = map_ranks(quantizer)
    assert rank["effective"] == pytest.approx(effective, rel=1e-4)
    assert (rank["numerical"], rank["full"]) == (effective, 4)


@torch.no_grad()
def test_ranks_are_in_the_order_of_the_codes():
    quantizer = GroupedSimVQ(
        GroupedSimVQConfig(num_quantizers=2, num_groups=2, codebook_size=8), latent_dim=8
    )
    for code, (stage, group) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
        weight = quantizer.groups[group].stages[stage].projection.weight
        weight.copy_(torch.diag((torch.arange(4) <= code).float()))
    assert [rank["numerical"] for rank in map_ranks(quantizer)] == [1, 2, 3, 4]
