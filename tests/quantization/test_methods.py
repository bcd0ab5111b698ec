"""Every quantizer's update or closed form on numbers that can be checked by hand."""

from math import exp, log
from typing import Any

import pytest
import torch
from torch import Tensor

from audiocodec.quantization.bsq import BSQ, BSQConfig
from audiocodec.quantization.clustering import draw_frames, draw_rows, kmeans
from audiocodec.quantization.cvq import CVQ, CVQConfig
from audiocodec.quantization.ema_vq import EmaVQ, EmaVQConfig
from audiocodec.quantization.factorized_vq import FactorizedVQ, FactorizedVQConfig
from audiocodec.quantization.fsq import FSQ, FSQConfig
from audiocodec.quantization.gradients import pass_gradient
from audiocodec.quantization.grouped import GroupedSimVQ, GroupedSimVQConfig
from audiocodec.quantization.hvq import HVQ, HVQConfig
from audiocodec.quantization.lfq import LFQ, LFQConfig
from audiocodec.quantization.qinco import Qinco, QincoConfig
from audiocodec.quantization.residual import ResidualSimVQ, ResidualSimVQConfig
from audiocodec.quantization.rq import RQ, RQConfig
from audiocodec.quantization.soft import sample_code
from audiocodec.quantization.sparse import Sparse, SparseConfig
from audiocodec.quantization.sq import SQ, SQConfig
from audiocodec.quantization.stack import Stack, StackConfig
from audiocodec.quantization.vq import VQ, VQConfig
from audiocodec.quantization.vq_wae import VqWae, VqWaeConfig
from audiocodec.quantization.vqgan_lc import VqganLC, VqganLCConfig


def row(*values: float) -> Tensor:
    """A latent of one dimension, (1, 1, frames)."""
    return torch.tensor(values).view(1, 1, -1)


def column(*values: float) -> Tensor:
    return torch.tensor(values).unsqueeze(1)


def value(scalar: Tensor) -> float:
    return float(scalar.detach())


@torch.no_grad()
def put(weight: Tensor, values: object) -> None:
    weight.copy_(torch.as_tensor(values, dtype=weight.dtype).view_as(weight))


@pytest.mark.parametrize(
    ("gradient", "expected"),
    # (3, 4) has length 5, (0, 10) length 10. The rotation that turns the first by 36.9 degrees
    # into the second is [[0.8, -0.6], [0.6, 0.8]]; its transpose, twice, takes (1, 0) back.
    [("straight_through", (1.0, 0.0)), ("rotation", (1.6, -1.2))],
)
def test_a_gradient_passes_the_choice(gradient, expected):
    latent = torch.tensor([[3.0, 4.0]], requires_grad=True)
    passed = pass_gradient(latent, torch.tensor([[0.0, 10.0]]), gradient)
    passed.backward(torch.tensor([[1.0, 0.0]]))
    assert passed.tolist() == [[0.0, 10.0]]
    assert latent.grad[0].tolist() == pytest.approx(expected)


def test_vq_weighs_the_pull_on_the_code_and_that_on_the_latent():
    quantizer = VQ(VQConfig(codebook_size=2, relative_loss=False), 2)
    put(quantizer.codebook, [[0.0, 1.0], [9.0, 9.0]])
    latent = torch.tensor([[[1.0], [1.0]]], requires_grad=True)
    quantized = quantizer(latent)
    assert value(quantized.loss) == pytest.approx(1.25 * (1 + 0) / 2)
    quantized.loss.backward()
    assert quantizer.codebook.grad.tolist() == [[-1.0, 0.0], [0.0, 0.0]]
    assert latent.grad.flatten().tolist() == [0.25, 0.0]


def test_ema_averages_the_frames_of_each_code():
    quantizer = EmaVQ(EmaVQConfig(codebook_size=2, decay=0.5, replace_below=0.0), 1)
    put(quantizer.codebook, [0.0, 10.0])
    quantizer(row(1.0, 3.0))
    quantizer.after_step(0)
    # Sizes 0.5 * 1 + 0.5 * 2 and 0.5 * 1; the first code (0.5 * 0 + 0.5 * (1 + 3)) / 1.5.
    assert quantizer.cluster_size.tolist() == [1.5, 0.5]
    assert quantizer.codebook.flatten().tolist() == pytest.approx([4 / 3, 10.0])


def test_ema_puts_a_frame_where_a_code_died_the_same_for_the_same_step():
    for step in (0, 1, 2):
        books = []
        for _ in range(2):
            quantizer = EmaVQ(EmaVQConfig(codebook_size=2, decay=0.5, replace_below=0.6), 1)
            put(quantizer.codebook, [0.0, 10.0])
            quantizer(row(1.0, 3.0))
            quantizer.after_step(step)
            books.append(quantizer.codebook.flatten().tolist())
        assert books[0] == books[1]
        assert books[0][1] in (1.0, 3.0)
        assert quantizer.cluster_size.tolist() == [1.5, 1.0]


def test_a_step_that_was_not_taken_leaves_no_trace():
    quantizer = EmaVQ(EmaVQConfig(codebook_size=4), 1)
    before = quantizer.codebook.clone()
    quantizer(row(float("nan"), 3.0))
    quantizer.before_step()
    quantizer.after_step(0)
    assert torch.equal(quantizer.codebook, before)


def test_parts_of_a_batch_are_learned_from_as_the_whole():
    books = []
    for parts in ([row(1.0, 3.0, 9.0, 8.0)], [row(1.0, 3.0), row(9.0, 8.0)]):
        quantizer = EmaVQ(EmaVQConfig(codebook_size=4), 1)
        for part in parts:
            quantizer(part)
        quantizer.after_step(0)
        books.append(quantizer.codebook)
    assert torch.equal(*books)


def test_an_unused_code_of_cvq_jumps_to_its_anchor_and_a_used_one_stays():
    quantizer = CVQ(CVQConfig(codebook_size=2), 1)
    put(quantizer.codebook, [0.0, 10.0])
    quantizer(row(1.0, 2.0))
    quantizer.after_step(0)
    # Usage 0.01 and 0: moved by exp(-0.01 * 2 * 10 / 0.01 - 0.001), nothing, and exp(-0.001); the
    # frame closest to 10 is 2.
    share = exp(-0.001)
    assert quantizer.usage.tolist() == pytest.approx([0.01, 0.0])
    assert quantizer.codebook.flatten().tolist() == pytest.approx(
        [0.0, 10 * (1 - share) + 2 * share], abs=1e-6
    )


def test_random_anchors_of_cvq_are_frames():
    quantizer = CVQ(CVQConfig(codebook_size=5, anchor="random"), 1)
    anchors = quantizer._anchors(column(1.0, 2.0), step=3).flatten().tolist()
    assert anchors[:2] in ([1.0, 2.0], [2.0, 1.0]) and anchors == (3 * anchors[:2])[:5]


@pytest.mark.parametrize("variance", [1.0, 4.0])
def test_the_loss_of_sq_is_the_expected_error_less_the_entropy(variance):
    """A latent on one code, the other at a squared distance of 2 log 3."""
    quantizer = SQ(SQConfig(codebook_size=2), 1)
    put(quantizer.codebook, [0.0, (2 * log(3)) ** 0.5])
    put(quantizer.log_variance, log(variance))
    weight = 3 ** (-1 / variance)  # of the far code, beside 1
    odds = [1 / (1 + weight), weight / (1 + weight)]
    by_hand = odds[1] * log(3) / variance + sum(p * log(p) for p in odds) + log(2)
    loss = quantizer.free_energy(quantizer.scores(column(0.0)))
    assert value(loss) == pytest.approx(by_hand)
    assert value(loss) == pytest.approx(log(2 / (1 + weight)))


def test_the_choice_of_sq_anneals_with_its_variance():
    quantizer = SQ(SQConfig(codebook_size=2), 1)
    put(quantizer.codebook, [0.0, 1.0])
    torch.manual_seed(0)
    for variance, least, most in ((1e2, 0.4, 0.6), (1e-3, 0.0, 0.0)):
        put(quantizer.log_variance, log(variance))
        share = value(quantizer(torch.full((1, 1, 2000), 0.2)).codes.float().mean())
        assert least <= share <= most


def test_codes_are_drawn_with_the_probability_of_their_score():
    torch.manual_seed(0)
    scores = torch.tensor([0.5, 0.3, 0.2]).log().expand(20_000, 3)
    drawn, _ = sample_code(scores, torch.zeros(3, 1), temperature=1.0)
    shares = torch.bincount(drawn) / len(drawn)
    assert shares.tolist() == pytest.approx([0.5, 0.3, 0.2], abs=0.015)


def test_vq_wae_transports_four_points_to_two_codes_evenly():
    """Points 0, 1, 2, 9 and codes 0, 10: nearest codes would serve three points and one."""
    quantizer = VqWae(VqWaeConfig(codebook_size=2, entropy=0.01, relative_loss=False), 1)
    put(quantizer.codebook, [0.0, 10.0])
    costs = (column(0.0, 1.0, 2.0, 9.0) - quantizer.codebook.detach().T).square()
    cost, ascent = quantizer.transport(costs)
    assert value(cost) == pytest.approx((0 + 1 + 4 + 1) / 4)
    assert value(ascent) == 0
    ascent.backward()  # the shares received, 3/4 and 1/4, less 1/2
    assert quantizer.potential.grad.tolist() == pytest.approx([0.25, -0.25])
    optimizer = torch.optim.SGD([quantizer.potential], lr=40.0)
    for _ in range(8):  # point 2 changes at 64 - 4 = 60, point 1 would at 81 - 1 = 80
        optimizer.zero_grad()
        quantizer.transport(costs)[1].backward()
        optimizer.step()
    assert 60 < value(quantizer.potential[1] - quantizer.potential[0]) < 80
    assert value(quantizer.transport(costs)[0]) == pytest.approx((0 + 1 + 64 + 1) / 4)


def test_the_codes_of_vqgan_lc_move_by_their_projector_alone():
    quantizer = VqganLC(VqganLCConfig(codebook_size=2, relative_loss=False), 2)
    put(quantizer.codebook, [[1.0, 2.0], [50.0, 50.0]])
    put(quantizer.projection.weight, [[1.0, 0.0], [0.0, 1.0]])
    put(quantizer.projection.bias, [0.0, 0.0])
    latent = torch.tensor([[[1.0], [4.0]]])
    quantizer(latent).loss.backward()
    # The error (0, -2) of the code (1, 2), a mean over two dimensions: d/dW = error code^T.
    assert quantizer.projection.weight.grad.tolist() == [[0.0, 0.0], [-2.0, -4.0]]
    assert [name for name, _ in quantizer.named_parameters()] == [
        "projection.weight",
        "projection.bias",
    ]


def test_factorized_codes_have_a_direction_and_no_length():
    quantizer = FactorizedVQ(FactorizedVQConfig(codebook_size=2, codebook_dim=2), 2)
    for layer in (quantizer.project_in, quantizer.project_out):
        put(layer.weight, [[1.0, 0.0], [0.0, 1.0]])
        put(layer.bias, [0.0, 0.0])
    put(quantizer.codebook, [[5.0, 0.0], [0.0, 0.1]])
    latent = torch.tensor([[[3.0, 300.0, 1.0], [4.0, 400.0, 0.0]]])
    codes = quantizer.encode(latent)
    assert codes.flatten().tolist() == [1, 1, 0]
    assert quantizer.decode(codes)[0].T.tolist() == [[0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]


def test_one_level_of_hvq_costs_its_reconstruction_its_error_and_its_certainty():
    quantizer = HVQ(HVQConfig(codebook_size=2, levels=1, relative_loss=False), 1)
    put(quantizer.codebook, [0.0, 1.0])
    loss = quantizer(row(0.5)).loss  # either code: both errors 1/4, the entropy log 2
    assert value(loss) == pytest.approx(0.25 + 0.25)
    put(quantizer.codebook, [0.0, 100.0])
    assert value(quantizer(row(0.0)).loss) == pytest.approx(log(2))  # of 2 codes sure of one


def test_the_top_of_hvq_speaks_for_the_levels_below():
    quantizer = HVQ(HVQConfig(codebook_size=2, levels=2), 1)
    put(quantizer.levels[0].codes, [0.0, 1.0, 10.0, 11.0])
    put(quantizer.levels[1].codes, [0.4, 10.6])
    codes = quantizer.encode(row(0.1, 1.2, 9.0, 30.0))
    assert codes.flatten().tolist() == [0, 0, 1, 1]
    assert quantizer.decode(codes).flatten().tolist() == pytest.approx([0.4, 0.4, 10.6, 10.6])


def residual_simvq(**more: Any) -> dict[str, Any]:
    """Options of stages of two codes, whose rows can be put."""
    return {
        "codebook_size": 2,
        "num_quantizers": 2,
        "basis": "trained",
        "relative_loss": False,
    } | more


def put_codes(stage: Any, rows: list[float], weight: float, bias: float) -> None:
    put(stage.trained_basis, rows)
    put(stage.projection.weight, weight)
    put(stage.projection.bias, bias)


def test_each_stage_of_residual_simvq_maps_its_rows_onto_what_is_left():
    quantizer = ResidualSimVQ(ResidualSimVQConfig(**residual_simvq()), 1)
    put_codes(quantizer.stages[0], [0.0, 2.0], 1.5, 1.0)  # codes 1 and 4
    put_codes(quantizer.stages[1], [-1.0, 1.0], 1.0, 0.0)
    quantized = quantizer(row(4.75))
    assert quantized.codes.flatten().tolist() == [1, 1]
    assert quantized.latent.item() == 5.0
    assert value(quantized.loss) == pytest.approx(1.25 * (0.75**2 + 0.25**2))
    quantized.loss.backward()  # twice the error of the code, times the row of the basis
    assert quantizer.stages[0].projection.weight.grad.item() == pytest.approx(-2 * 0.75 * 2)
    assert quantizer.stages[1].projection.weight.grad.item() == pytest.approx(2 * 0.25 * 1)


def test_groups_quantize_their_dimensions_and_send_a_stage_after_the_other():
    quantizer = GroupedSimVQ(GroupedSimVQConfig(**residual_simvq(num_groups=2)), 2)
    for group, base in zip(quantizer.groups, (10.0, 100.0), strict=True):
        put_codes(group.stages[0], [0.0, base], 1.0, 0.0)
        put_codes(group.stages[1], [-1.0, 1.0], 1.0, 0.0)
    codes = quantizer.encode(torch.tensor([[[11.2], [-0.7]]]))
    assert codes.flatten().tolist() == [1, 0, 1, 0]  # both groups' first stages, then their second
    assert quantizer.decode(codes).flatten().tolist() == [11.0, -1.0]
    assert quantizer.decode(codes[:, :3]).flatten().tolist() == [11.0, 0.0]


def test_a_stack_adds_what_its_stages_say_of_what_is_left():
    stack = Stack(StackConfig(2, VQConfig(codebook_size=2, relative_loss=False)), 1)
    put(stack.stages[0].codebook, [0.0, 10.0])
    put(stack.stages[1].codebook, [-2.0, 2.0])
    quantized = stack(row(7.0))
    assert quantized.codes.flatten().tolist() == [1, 0]
    assert quantized.latent.item() == 8.0
    assert value(quantized.loss) == pytest.approx(1.25 * (3**2 + 1**2) / 2)  # a mean over stages


def test_rq_takes_every_stage_from_one_codebook():
    quantizer = RQ(RQConfig(codebook_size=2, num_quantizers=2, relative_loss=False), 1)
    put(quantizer.shared.codebook, [4.0, 1.0])
    quantized = quantizer(row(6.2))
    assert quantized.codes.flatten().tolist() == [0, 1]
    assert quantized.latent.item() == 5.0
    assert value(quantized.loss) == pytest.approx(0.25 * (2.2**2 + 1.2**2) / 2)
    quantizer.after_step(0)  # both stages move their code: sizes 1 -> 0.99 + 0.01
    assert quantizer.shared.codebook.flatten().tolist() == pytest.approx(
        [0.99 * 4 + 0.01 * 6.2, 0.99 * 1 + 0.01 * 2.2]
    )


def test_qinco_without_depth_is_residual_quantization():
    quantizer = Qinco(QincoConfig(codebook_size=8, num_quantizers=3, depth=0), 4)
    plain = Stack(StackConfig(3, VQConfig(codebook_size=8)), 4)
    for stage, own in zip(plain.stages, quantizer.stages, strict=True):
        put(stage.codebook, own.codebook.detach())
    latent = torch.randn(2, 4, 50, generator=torch.Generator().manual_seed(0))
    codes = quantizer.encode(latent)
    assert torch.equal(codes, plain.encode(latent))
    assert torch.equal(quantizer.decode(codes), plain.decode(codes))


def test_the_codes_of_qinco_depend_on_the_sum_so_far():
    quantizer = Qinco(QincoConfig(codebook_size=2, num_quantizers=2, hidden_dim=1), 1)
    put(quantizer.stages[0].codebook, [0.0, 10.0])
    second = quantizer.stages[1]
    put(second.codebook, [-1.0, 1.0])
    put(second.join.weight, [0.0, 0.1])
    put(second.layers[0].hidden.weight, 1.0)
    put(second.layers[0].hidden.bias, -1.0)
    put(second.layers[0].output.weight, 2.0)
    # After 0: v = -1 and 1, both with relu(v - 1) = 0. After 10: v = 0 and 2, the latter + 2.
    codes = quantizer.encode(row(0.9, 9.7, 13.5))
    assert codes[0].tolist() == [[0, 1, 1], [1, 0, 1]]
    assert quantizer.decode(codes).flatten().tolist() == pytest.approx([1.0, 10.0, 14.0])


def test_fsq_numbers_the_points_of_its_grid():
    quantizer = FSQ(FSQConfig(levels=(3, 2)), 2)
    for layer in (quantizer.project_in, quantizer.project_out):
        put(layer.weight, [[1.0, 0.0], [0.0, 1.0]])
        put(layer.bias, [0.0, 0.0])
    points = [(x, y) for y in (-9.0, 9.0) for x in (-9.0, 0.0, 9.0)]
    latent = torch.tensor(points).T.unsqueeze(0)
    codes = quantizer.encode(latent)
    assert codes.flatten().tolist() == [0, 1, 2, 3, 4, 5]
    values = [(x, y) for y in (-1.0, 0.0) for x in (-1.0, 0.0, 1.0)]
    assert list(map(tuple, quantizer.decode(codes)[0].T.tolist())) == values


def test_lfq_reads_signs_as_bits_and_rewards_certainty_and_variety():
    quantizer = LFQ(LFQConfig(codebook_size=8, temperature=4.0), 3)
    signs = torch.tensor([[0.5, -0.1, 2.0], [-0.5, 0.1, -2.0]])
    assert quantizer._codes_of(signs).flatten().tolist() == [0b101, 0b010]
    assert quantizer.values_of(torch.tensor([[0b101]])).tolist() == [[1.0, -1.0, 1.0]]
    sure = 1e3 * torch.eye(3).sign().mul(2).sub(1)  # three latents, each certain of another code
    loss = quantizer.loss(sure, sure)
    assert value(loss) == pytest.approx(-0.1 * log(3) / 3)
    # One latent, as unsure as the batch: nothing is gained. sigmoid(4 * 1 / 4) is e / (1 + e).
    one = torch.tensor([[1.0, 1.0, 1.0]])
    assert value(quantizer.loss(one, one)) == pytest.approx(0, abs=1e-6)
    alone = LFQ(LFQConfig(codebook_size=8, temperature=4.0, diversity=0.0), 3)
    p = exp(1) / (1 + exp(1))
    assert value(alone.loss(one, one)) == pytest.approx(-0.1 * (p * log(p) + (1 - p) * log(1 - p)))


def test_bsq_quantizes_to_corners_on_the_sphere():
    quantizer = BSQ(BSQConfig(codebook_size=4), 2)
    put(quantizer.project_in.weight, [[1.0, 0.0], [0.0, 1.0]])
    put(quantizer.project_in.bias, [0.0, 0.0])
    on_sphere = quantizer.inward(torch.tensor([[3.0, -4.0]]))
    assert on_sphere[0].tolist() == pytest.approx([0.6, -0.8])
    values = quantizer.values_of(quantizer._codes_of(on_sphere))[0].tolist()
    assert values == pytest.approx([0.5**0.5, -(0.5**0.5)])


def test_ista_on_an_orthonormal_dictionary_is_a_soft_threshold():
    quantizer = Sparse(SparseConfig(atoms=2, num_quantizers=1), 2)
    put(quantizer.atoms, [[1.0, 0.0], [0.0, 1.0]])
    quantizer._as_ista(1.0)
    found = quantizer.coefficients(torch.tensor([[3.0, -0.5], [-2.0, 1.5]]))
    assert found.tolist() == [[2.0, 0.0], [-1.0, 0.5]]


@torch.no_grad()
def test_the_fixed_point_of_ista_meets_the_conditions_of_the_lasso():
    """An atom in use correlates with what is left by the sparsity, the others by less."""
    sparsity = 0.2
    quantizer = Sparse(SparseConfig(atoms=12), 4)
    quantizer._as_ista(sparsity)
    latent = torch.randn(20, 4, generator=torch.Generator().manual_seed(0))
    found = quantizer.coefficients(latent, iterations=3000)
    correlation = (latent - found @ quantizer.atoms) @ quantizer.atoms.T
    used = found != 0
    assert used.any(1).all() and not used.all()
    torch.testing.assert_close(correlation[used], sparsity * found[used].sign(), atol=1e-4, rtol=0)
    assert value(correlation[~used].abs().max()) <= sparsity + 1e-4


def test_sparse_codes_say_the_atom_and_its_multiple():
    quantizer = Sparse(SparseConfig(atoms=2, levels=8, num_quantizers=2), 2)
    put(quantizer.atoms, [[1.0, 0.0], [0.0, 1.0]])
    put(quantizer.step, 0.5)
    quantizer._as_ista(0.0)
    codes = quantizer.encode(torch.tensor([[[1.1], [-1.4]]]))
    # -1.4 / 0.5 is -3, the level 1 of -4 ... 3, of atom 1; 1.1 / 0.5 is 2, the level 6, of atom 0.
    assert codes.flatten().tolist() == [8 + 1, 6]
    assert quantizer.decode(codes).flatten().tolist() == [1.0, -1.5]
    assert quantizer.codebook_sizes == (16, 16)


def test_sparse_coefficients_learn_through_their_rounding_and_not_beyond_the_levels():
    quantizer = Sparse(SparseConfig(atoms=2, levels=4, num_quantizers=1, iterations=1), 2)
    put(quantizer.atoms, [[1.0, 0.0], [0.0, 1.0]])
    put(quantizer.step, 0.5)
    quantizer._as_ista(0.0)
    latent = torch.tensor([[[0.4, 9.0], [0.0, 0.0]]])
    _, codes, sent = quantizer._approximate(latent, torch.ones(1, 1, 1, 1))
    assert codes.flatten().tolist() == [3, 3]  # 0.4 / 0.5 is rounded to 1; 18 is cut to it
    sent[:, 0].sum().backward()
    assert quantizer.analysis.grad[0].tolist() == pytest.approx([0.4, 0.0])
    assert value(quantizer.step.grad) == pytest.approx((1 - 0.8) + 1)


def test_the_stages_of_a_stack_share_one_straight_gradient():
    stack = Stack(StackConfig(3, VQConfig(codebook_size=8)), 4)
    latent = torch.randn(1, 4, 9, generator=torch.Generator().manual_seed(0)).requires_grad_()
    upstream = torch.randn(1, 4, 9, generator=torch.Generator().manual_seed(1))
    (stack(latent).latent * upstream).sum().backward()
    torch.testing.assert_close(latent.grad, upstream)


def test_kmeans_finds_means_and_revives_empty_clusters():
    frames = column(0.0, 1.0, 10.0, 11.0, 30.0, 32.0)
    rows = kmeans(frames, column(0.0, 9.0, 500.0))
    assert sorted(rows.flatten().tolist()) == [0.5, 10.5, 31.0]


def test_drawn_frames_are_different_and_copies_are_moved():
    frames = torch.arange(10.0).unsqueeze(1)
    assert len(draw_frames(frames, 7, seed=0).unique()) == 7
    assert len(draw_frames(frames, 30, seed=0).unique()) == 30
    assert len(draw_rows(frames, 99, seed=0, step=0)) == 10
