"""What every quantizer and every variant of SimVQ promises."""

from typing import Any

import pytest
import torch
from torch import Tensor

from audiocodec.config import from_dict
from audiocodec.errors import ConfigError
from audiocodec.quantization import QUANTIZERS
from audiocodec.quantization.base import Quantizer

DIM = 8
STACK = {"num_quantizers": 3}
VARIANTS: dict[str, dict[str, Any]] = {
    "simvq": {"kind": "simvq"},
    "no_bias": {"kind": "simvq", "bias": False},
    "mlp": {"kind": "simvq", "map": "mlp"},
    "stored": {"kind": "simvq", "basis": "stored"},
    "both_trained": {"kind": "simvq", "basis": "trained"},
    "cosine": {"kind": "simvq", "distance": "cosine"},
    "rotation": {"kind": "simvq", "gradient": "rotation"},
    "legacy": {
        "kind": "simvq",
        "codebook_weight": 0.25,
        "commitment_weight": 1.0,
        "relative_loss": False,
        "data_start": False,
    },
    "plain_vq": {"kind": "simvq", "map": "identity", "basis": "trained"},
    "residual": {"kind": "residual", **STACK},
    "residual_mlp_rotation": {"kind": "residual", "map": "mlp", "gradient": "rotation", **STACK},
    "residual_plain_vq": {"kind": "residual", "map": "identity", "basis": "trained", **STACK},
    "grouped": {"kind": "grouped", "num_quantizers": 2, "num_groups": 2},
    "vq": {"kind": "vq"},
    "vq_rotation": {"kind": "vq", "gradient": "rotation", "start": "kmeans"},
    "ema_vq": {"kind": "ema_vq"},
    "factorized_vq": {"kind": "factorized_vq", "codebook_dim": 6},
    "vqgan_lc": {"kind": "vqgan_lc"},
    "cvq": {"kind": "cvq"},
    "cvq_random": {"kind": "cvq", "anchor": "random"},
    "sq": {"kind": "sq"},
    "vq_wae": {"kind": "vq_wae"},
    "hvq": {"kind": "hvq"},
    "rq": {"kind": "rq", **STACK},
    "qinco": {"kind": "qinco", **STACK},
    "qinco_deep": {"kind": "qinco", "depth": 2, "hidden_dim": 8, **STACK},
    "fsq": {"kind": "fsq", "levels": [4, 4, 4]},
    "fsq_odd": {"kind": "fsq", "levels": [5, 3, 4]},
    "lfq": {"kind": "lfq"},
    "lfq_groups": {"kind": "lfq", "group_bits": 4},
    "bsq": {"kind": "bsq"},
    "sparse": {"kind": "sparse", "atoms": 16, "levels": 9, "num_quantizers": 3},
    "stack": {"kind": "stack", "stage": {"kind": "ema_vq"}, **STACK},
    "stack_vq": {"kind": "stack", "stage": {"kind": "vq"}, **STACK},
    "stack_sq": {"kind": "stack", "stage": {"kind": "sq"}, **STACK},
    "stack_factorized": {"kind": "stack", "stage": {"kind": "factorized_vq"}, **STACK},
    "stack_fsq": {"kind": "stack", "stage": {"kind": "fsq", "levels": [4, 4, 4]}, **STACK},
}
SIZELESS = {"fsq", "fsq_odd", "sparse", "stack_fsq"}  # codebook_size is no option
DRAWN = {"sq", "hvq", "stack_sq"}  # training draws codes
CONDITIONAL = {"qinco", "qinco_deep"}  # what a code adds depends on those before it


def build(name: str, codebook_size: int = 64, latent_dim: int = DIM) -> Quantizer:
    options = dict(VARIANTS[name])
    kind = options.pop("kind")
    if kind == "stack" and name not in SIZELESS:
        options["stage"] = options["stage"] | {"codebook_size": codebook_size}
    elif name not in SIZELESS:
        options["codebook_size"] = codebook_size
    torch.manual_seed(0)
    config = from_dict(QUANTIZERS[kind][0], options)
    return QUANTIZERS.build(config, latent_dim)


def correlated(*shape: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(shape[1], shape[1], generator=generator)
    white = torch.randn(shape, generator=generator)
    return torch.einsum("ij,bj...->bi...", mixing, white) + 3.0


@pytest.fixture(params=VARIANTS)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def quantizer(name: str) -> Quantizer:
    quantizer = build(name)
    quantizer.initialize(correlated(4, DIM, 500))
    return quantizer


def test_every_row_of_the_table_is_tested() -> None:
    assert {options["kind"] for options in VARIANTS.values()} == set(QUANTIZERS)


@pytest.mark.parametrize("positions", [(), (1,), (50,), (6, 7), (2, 3, 4)])
def test_latents_have_any_number_of_positions(quantizer: Quantizer, positions) -> None:
    latent = correlated(2, DIM, *positions, 1)[..., 0]
    flat = latent.reshape(2, DIM, -1)
    codes = quantizer.encode(latent)
    assert codes.shape == (2, quantizer.num_quantizers, *positions)
    assert torch.equal(codes.reshape(2, -1, flat.shape[-1]), quantizer.encode(flat))
    assert quantizer.decode(codes).shape == latent.shape
    assert quantizer(latent).latent.shape == latent.shape


def test_decoding_gives_the_vector_of_training_bit_for_bit(quantizer: Quantizer) -> None:
    latent = correlated(2, DIM, 100)
    quantized = quantizer.train()(latent)
    assert torch.equal(quantized.latent, quantizer.decode(quantized.codes))
    assert torch.equal(quantized.latent, quantizer.eval().decode(quantized.codes))


def test_what_codes_add_sums_up_to_what_they_decode_to(quantizer: Quantizer, name: str) -> None:
    codes = quantizer.encode(correlated(1, DIM, 20, seed=1))
    if name in CONDITIONAL:
        codes = codes[:, :1]
    vectors = [part[row] for part, row in zip(quantizer.vectors(), codes[0], strict=False)]
    torch.testing.assert_close(sum(vectors), quantizer.decode(codes)[0].T, atol=1e-4, rtol=1e-4)


def test_training_and_encoding_choose_the_same_codes(quantizer: Quantizer, name: str) -> None:
    latent = correlated(2, DIM, 100)
    trained = quantizer.train(name not in DRAWN)(latent).codes
    assert torch.equal(trained, quantizer.eval().encode(latent))


def test_codes_do_not_depend_on_how_positions_are_split(quantizer: Quantizer) -> None:
    latent = correlated(4, DIM, 501).double()
    exact = quantizer.double().eval()
    whole = exact.encode(latent)
    pieces = [exact.encode(piece) for piece in latent.split(7, dim=-1)]
    rows = [exact.encode(row) for row in latent.split(1)]
    assert torch.equal(torch.cat(pieces, -1), whole)
    assert torch.equal(torch.cat(rows), whole)


def test_every_weight_gets_a_gradient(quantizer: Quantizer) -> None:
    latent = correlated(2, DIM, 200).requires_grad_()
    quantized = quantizer(latent)
    (quantized.loss + (quantized.latent * correlated(2, DIM, 200, seed=1)).sum()).backward()
    assert latent.grad is not None and latent.grad.abs().sum() > 0
    for name, weight in quantizer.named_parameters():
        if "hidden" not in name:  # behind an output layer that starts at 0
            assert weight.grad is not None and weight.grad.any(), name
            assert torch.isfinite(weight.grad).all(), name


def test_saved_weights_give_the_same_codes(quantizer: Quantizer, name: str) -> None:
    other = build(name)
    other.encode(correlated(1, DIM, 3))
    other.load_state_dict(quantizer.state_dict())
    latent = correlated(2, DIM, 50)
    assert torch.equal(other.eval().encode(latent), quantizer.eval().encode(latent))


@pytest.mark.parametrize("unseen", [False, True], ids=["counted", "through_data"])
def test_a_changed_weight_changes_the_codes_of_a_quantizer_in_use(
    quantizer: Quantizer, unseen: bool
) -> None:
    latent = correlated(2, DIM, 50)
    quantizer.eval()
    before = quantizer.encode(latent)
    assert torch.equal(quantizer.encode(latent), before)
    with torch.no_grad():
        for weight in [*quantizer.parameters(), *quantizer.buffers()]:
            if weight.is_floating_point():
                (weight.data if unseen else weight).add_(torch.randn_like(weight))
    changed = quantizer.encode(latent)
    assert not torch.equal(changed, before)
    fresh = build_like(quantizer)
    assert torch.equal(changed, fresh.encode(latent))


def build_like(quantizer: Quantizer) -> Quantizer:
    fresh = QUANTIZERS.build(quantizer.config, DIM).eval()  # type: ignore[attr-defined]
    fresh.load_state_dict(quantizer.state_dict())
    return fresh


@torch.no_grad()
def test_more_codes_are_closer(quantizer: Quantizer) -> None:
    latent = correlated(2, DIM, 400)
    codes = quantizer.encode(latent)
    errors = [
        float((quantizer.decode(codes[:, :n]) - latent).square().mean())
        for n in range(1, quantizer.num_quantizers + 1)
    ]
    assert errors == sorted(errors, reverse=True) and len(set(errors)) == len(errors)
    for n in range(1, quantizer.num_quantizers + 1):
        assert torch.equal(quantizer.encode(latent, n), codes[:, :n])


def test_rows_may_use_different_numbers_of_codes(quantizer: Quantizer) -> None:
    latent = correlated(quantizer.num_quantizers, DIM, 30)
    counts = torch.arange(1, quantizer.num_quantizers + 1)
    mixed = quantizer(latent, counts)
    for row, count in enumerate(counts.tolist()):
        alone = quantizer.decode(mixed.codes[row : row + 1, :count])
        torch.testing.assert_close(mixed.latent[row : row + 1], alone)


# Without a bias, codes cannot reach the mean of the latents; angles lose their length. The codes of
# `rq` are those of all stages, and the codes of `sparse` are not alike.
UNEVEN = {"no_bias", "cosine", "legacy", "rq", "sparse"}


@pytest.mark.parametrize("name", sorted(set(VARIANTS) - UNEVEN), indirect=True)
def test_a_start_from_data_uses_the_codebook(quantizer: Quantizer) -> None:
    codes = quantizer.encode(correlated(4, DIM, 500))
    used = [len(codes[:, stage].unique()) for stage in range(codes.shape[1])]
    assert min(used) > 0.9 * min(quantizer.codebook_sizes)


@pytest.mark.parametrize(
    "options",
    [
        {"kind": "simvq", "codebook_size": 1},
        {"kind": "simvq", "map": "identity"},
        {"kind": "simvq", "seed": -1},
        {"kind": "simvq", "distance": "manhattan"},
        {"kind": "residual", "num_quantizers": 0},
        {"kind": "residual", "distance": "cosine"},
        {"kind": "grouped", "num_groups": 3},
        {"kind": "grouped", "num_groups": 0},
        {"kind": "vq", "codebook_size": 1},
        {"kind": "ema_vq", "decay": 1.0},
        {"kind": "ema_vq", "replace_below": 1.0},
        {"kind": "factorized_vq", "codebook_dim": 1},
        {"kind": "sq", "temperature": 0.0},
        {"kind": "vq_wae", "entropy": 0.0},
        {"kind": "hvq", "levels": 0},
        {"kind": "rq", "num_quantizers": 0},
        {"kind": "qinco", "depth": -1},
        {"kind": "fsq", "levels": [1, 8]},
        {"kind": "fsq", "levels": []},
        {"kind": "lfq", "codebook_size": 1000},
        {"kind": "bsq", "group_bits": 0},
        {"kind": "sparse", "num_quantizers": 300},
        {"kind": "stack", "num_quantizers": 0},
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any]) -> None:
    kind = options.pop("kind")
    with pytest.raises(ConfigError, match=r"quantizer\.|distance"):
        QUANTIZERS.build(from_dict(QUANTIZERS[kind][0], options), DIM)
