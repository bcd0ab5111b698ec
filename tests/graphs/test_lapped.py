"""Folded lapped transforms are the products with whole tables, for even and odd hops."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from safetensors.numpy import save_file

from audiocodec.features.mdct import lapped_basis
from audiocodec.graphs import lapped
from audiocodec.graphs.builder import Names, Scope, Value
from audiocodec.graphs.stored import StoredTensors

FRAMES = 4


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    save_file({}, tmp_path / "none")
    return Scope(Names(StoredTensors(tmp_path / "none", {}, "tables")), "float32")


def run(scope: Scope, x: np.ndarray, emit: Callable[[Value], Sequence[Value]]) -> list[np.ndarray]:
    outputs = emit(scope.value("x"))
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)]
    made = [helper.make_tensor_value_info(v.name, TensorProto.FLOAT, None) for v in outputs]
    tables = list(scope.names.initializers.values())
    graph = helper.make_graph(scope.nodes, "g", given, made, tables)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    found: list[np.ndarray] = onnxruntime.InferenceSession(model.SerializeToString()).run(
        None, {"x": x}
    )
    return found


def waves(hop: int) -> list[np.ndarray]:
    """Cosines and sines, (2 * hop, hop)."""
    return [lapped_basis(hop, wave).t().numpy() for wave in (torch.cos, torch.sin)]


@pytest.mark.parametrize("hop", [1, 5, 8])
def test_analysis_is_the_product_with_both_waves(scope: Scope, hop: int) -> None:
    blocks = np.random.default_rng(0).standard_normal((2, FRAMES + 1, hop)).astype(np.float32)
    tables = [scope.constant(wave) for wave in waves(hop)]
    found = run(
        scope, blocks, lambda x: lapped.analyse(x, *(lapped.rows(t, hop) for t in tables), hop)
    )
    frames = np.concatenate([blocks[:, :-1], blocks[:, 1:]], axis=2)
    for part, wave in zip(found, waves(hop), strict=True):
        assert np.allclose(part, frames @ wave, atol=1e-5)


@pytest.mark.parametrize("hop", [1, 5, 8])
def test_synthesis_of_some_coefficients_is_overlap_add(scope: Scope, hop: int) -> None:
    most = -(-hop * 3 // 4)
    x = np.random.default_rng(0).standard_normal((2, FRAMES, most)).astype(np.float32)
    cosines = waves(hop)[0][:, :most]

    def emit(x: Value) -> list[Value]:
        now, later = lapped.synthesise(x, lapped.rows(scope.constant(cosines), hop), hop)
        return [lapped.overlap(now.slice(1, 1), later.slice(1, 0, -1), hop)]

    segments = x @ cosines.T
    expected = segments[:, 1:, :hop] + segments[:, :-1, hop:]
    assert np.allclose(run(scope, x, emit)[0], expected, atol=1e-5)
