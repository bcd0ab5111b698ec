"""The page about deployment tells programs in other languages what graphs take and give."""

import re
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from audiocodec.models.bundle import load_codec

PAGE = Path(__file__).parent.parent / "docs" / "deployment.md"
TYPES = {"tensor(float)": "float32", "tensor(int64)": "int64"}


def table() -> set[tuple[str, str, str]]:
    """(graph, in or out, name) of each row."""
    found, graph = set(), ""
    for row in re.findall(r"^\|(.*)\| (in|out) \| `(\w+)` \|", PAGE.read_text("utf-8"), re.M):
        graph = row[0].strip(" `") or graph
        found.add((graph, row[1], row[2]))
    return found


def test_the_table_has_every_input_and_output(tiny_graphs_dir: Path) -> None:
    expected = set()
    for graph in ("encoder.onnx", "encoder.beams.onnx", "decoder.onnx"):
        session = onnxruntime.InferenceSession(tiny_graphs_dir / graph)
        expected |= {(graph, "in", value.name) for value in session.get_inputs()}
        expected |= {(graph, "out", value.name) for value in session.get_outputs()}
        text = PAGE.read_text("utf-8").partition("(`metadata_props`, as text) have ")[2]
        named = re.findall(r"`(\w+)`", text.partition(" and more")[0])
        assert len(named) > 5
        assert set(named) <= set(session.get_modelmeta().custom_metadata_map)
    assert table() == expected


@pytest.mark.parametrize("num_samples", [320, 5_001])
def test_the_loop_to_translate_is_the_codec(tiny_graphs_dir: Path, num_samples: int) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
    (code,) = (block for block in blocks if "InferenceSession" in block)
    waveform = 0.1 * np.random.default_rng(0).standard_normal(num_samples).astype(np.float32)
    names = {"MODEL": str(tiny_graphs_dir), "waveform": waveform}
    exec(code, names)
    codec = load_codec(tiny_graphs_dir, runtime="torch")
    codes = codec.encode(waveform)
    np.testing.assert_array_equal(names["codes"][0], codes.numpy())
    expected = codec.decode(codes, num_samples).numpy()
    np.testing.assert_allclose(names["decoded"], expected, rtol=0, atol=1e-5)
