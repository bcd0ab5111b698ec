"""The calculation by hand of docs/simvq.md, and what its figure shows."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "toy.py"


@pytest.fixture
def toy() -> ModuleType:
    spec = importlib.util.spec_from_file_location("toy", SCRIPT)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("regime", "codes"),
    [
        ("SimVQ: map", [(2, 1), (0.5, 1.5), (-0.25, -0.75)]),
        ("plain VQ: rows", [(1.5, 0.5), (0, 1), (-0.5, -1)]),
        ("rows and map", [(2.75, 1.75), (0.5, 1.5), (-0.25, -0.75)]),
    ],
)
def test_one_step_is_that_of_the_calculation_by_hand(toy, monkeypatch, regime, codes):
    monkeypatch.setattr(toy, "ROW_RATE", 1)
    book = toy.Book(np.array([(1, 0), (0, 1), (-0.5, -1)]), np.eye(2), np.zeros(2))
    moved = toy.step(book, np.array([(3.0, 2.0)]), toy.REGIMES[regime], rate=0.25)
    np.testing.assert_allclose(moved.codes, codes, atol=1e-12)


def test_a_shared_map_uses_most_codes_and_rows_alone_fewest(toy):
    reports = {name: toy.describe(*toy.learn(own)) for name, own in toy.REGIMES.items()}
    rows, both, shared = (
        reports[name] for name in ("plain VQ: rows", "rows and map", "SimVQ: map")
    )
    assert rows["codes_used"] < both["codes_used"] < shared["codes_used"]
    assert rows["codes_moved"] < toy.CODES == shared["codes_moved"]
    assert both["map_moved"] < shared["map_moved"]
