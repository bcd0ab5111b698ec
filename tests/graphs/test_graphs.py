"""ONNX graphs give PyTorch's codes, all of them, and its waveforms; streams are whole signals."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from audiocodec.cli.main import main
from audiocodec.errors import ModelError
from audiocodec.graphs.encoder import MARGIN_NAME
from audiocodec.graphs.export import _write, export_graphs
from audiocodec.models.bundle import load_codec
from audiocodec.models.codec import Codec
from audiocodec.models.folders import BEAMS_GRAPH
from audiocodec.models.weights import write_model
from audiocodec.quantization import QUANTIZERS
from audiocodec.runtime.files import GRAPH_CHECKSUM
from audiocodec.runtime.graph import Graph, GraphState
from tests.conftest import build_codec

HOP = 320
CONVNEXT = {"kind": "convnext", "channels": 24, "blocks": 2}
SEANET = {"kind": "seanet", "n_filters": 4, "ratios": [4, 8, 10], "residual_units": 2}
FRONT = {"kind": "convnext", "strides": [320], "channels": [24], "blocks": [2], "mel_bands": 20}
CODECS: dict[str, dict[str, Any]] = {
    "strided convnext, mdct": {},
    "spectral front, harmonic": {
        "encoder": FRONT,
        "decoder": CONVNEXT | {"lookahead": 1, "head": {"kind": "harmonic", "noise_exponent": 3}},
    },
    "spectral front, istft": {"encoder": FRONT, "decoder": CONVNEXT},
    "seanet": {"encoder": SEANET, "decoder": SEANET},
    "seanet with an lstm": {
        "encoder": SEANET | {"lstm_layers": 2},
        "decoder": SEANET | {"lstm_layers": 1},
    },
}
SMALL = {"codebook_size": 16}
STACKS = {
    kind: {"kind": "stack", "num_quantizers": 2, "stage": {"kind": kind}}
    for kind in ("bsq", "ema_vq", "factorized_vq", "fsq", "hvq", "simvq")
}
REFUSED = {"qinco", "sparse"}


def exported(codec: Codec, folder: Path) -> tuple[Graph, Graph]:
    folder.mkdir(exist_ok=True)
    write_model(codec, folder)
    export_graphs(codec, folder)
    return Graph(folder / "encoder.onnx"), Graph(folder / "decoder.onnx")


def sound(rows: int, frames: int, seed: int = 0) -> np.ndarray:
    """Noise that comes and goes, from silence on, (rows, 1, time)."""
    generator = np.random.default_rng(seed)
    noise = generator.standard_normal((rows, 1, frames * HOP))
    level = 10 ** generator.uniform(-5, 0, (rows, 1, frames)).repeat(HOP, axis=2)
    level[..., : 3 * HOP] = 0
    return (0.3 * noise * level).astype(np.float32)


def decoded(graph: Graph, codes: np.ndarray, delay: int) -> np.ndarray:
    late = np.pad(codes, [(0, 0), (0, 0), (0, delay)], constant_values=-1)
    return graph.run("codes", late, "waveform")[..., delay * HOP :]


@pytest.fixture(scope="module", params=CODECS)
def model(request: pytest.FixtureRequest, tmp_path_factory: Any) -> tuple[Codec, Graph, Graph]:
    codec = build_codec(**CODECS[request.param])
    return codec, *exported(codec, tmp_path_factory.mktemp("graphs"))


Model = tuple[Codec, Graph, Graph]


def test_codes_are_those_of_pytorch(model: Model) -> None:
    codec, encoder, _ = model
    x = sound(3, 60)
    assert np.array_equal(encoder.run("waveform", x, "codes"), codec.encode(x).numpy())


@pytest.mark.parametrize("stages", [2, 3])
def test_codes_searched_with_beams_are_those_of_pytorch(model: Model, stages: int) -> None:
    codec, encoder, _ = model
    graph, x = Graph(encoder.path.with_name(BEAMS_GRAPH)), sound(3, 60)
    given = {"stages": np.array([stages]), "beams": np.array([4])}
    codec.use_beams(4)
    try:
        expected = codec.encode(x, num_quantizers=stages).numpy()
    finally:
        codec.use_beams(1)
    assert np.array_equal(graph.run("waveform", x, "codes", given=given), expected)


@pytest.mark.parametrize("level", [1.0, 30.0, 1e4, 2.0**31])
def test_codes_of_what_is_far_too_loud_are_those_of_pytorch(model: Model, level: float) -> None:
    codec, encoder, _ = model
    tone = np.sin(2 * np.pi * 0.01 * np.arange(40 * HOP))
    x = (level * np.stack([tone, np.ones(len(tone))]))[:, None].astype(np.float32)
    assert np.array_equal(encoder.run("waveform", x, "codes"), codec.encode(x).numpy())


@pytest.mark.parametrize("stages", [1, 3])
def test_waveforms_are_those_of_pytorch_with_any_number_of_quantizers(
    model: Model, stages: int
) -> None:
    codec, _, decoder = model
    codes = codec.encode(sound(2, 40)).numpy()[:, :stages]
    expected = codec.decode(codes).numpy()
    assert np.allclose(decoded(decoder, codes, codec.delay), expected, atol=1e-5)


def test_streams_in_any_pieces_are_whole_signals(model: Model) -> None:
    _, encoder, decoder = model
    x, state, heard = sound(1, 60), GraphState(), GraphState()
    codes, pieces = encoder.run("waveform", x, "codes"), np.cumsum([1, 2, 7, 1, 20, 29])
    for start, stop in zip([0, *pieces], pieces, strict=False):
        part = encoder.run("waveform", x[..., start * HOP : stop * HOP], "codes", state)
        assert np.array_equal(part, codes[..., start:stop])
        wave = decoder.run("codes", part, "waveform", heard)
        whole = decoder.run("codes", codes, "waveform")[..., start * HOP : stop * HOP]
        assert np.allclose(wave, whole, atol=1e-6)


def test_streams_that_began_at_other_times_are_one_batch(model: Model) -> None:
    _, encoder, _ = model
    x = sound(2, 50)
    whole = encoder.run("waveform", x, "codes")
    early, late = GraphState(), GraphState()
    encoder.run("waveform", x[:1, :, : 30 * HOP], "codes", early)
    both = GraphState.join([early, late])
    pieces = np.concatenate([x[:1, :, 30 * HOP :], x[1:, :, : 20 * HOP]])
    codes = encoder.run("waveform", pieces, "codes", both)
    assert np.array_equal(codes[0], whole[0, :, 30:])
    assert np.array_equal(codes[1], whole[1, :, :20])
    _, late = both.split(2)
    rest = encoder.run("waveform", x[1:, :, 20 * HOP :], "codes", late)
    assert np.array_equal(rest[0], whole[1, :, 20:])


def test_a_frame_without_codes_is_a_latent_of_zeros(model: Model) -> None:
    codec, _, decoder = model
    codes = np.full((1, 2, 5), -1)
    latent = torch.zeros(1, codec.config.latent_dim, 5)
    expected = codec.decoder(latent).numpy()
    assert np.allclose(decoder.run("codes", codes, "waveform"), expected, atol=1e-5)


@pytest.mark.parametrize("kind", [*QUANTIZERS, *(f"stack of {kind}" for kind in STACKS)])
def test_every_quantizer_has_graphs_or_a_reason(kind: str, tmp_path: Path) -> None:
    small = {"kind": kind} | (SMALL if kind not in ("fsq", "sparse", "stack") else {})
    options = STACKS.get(kind.removeprefix("stack of "), {}) if " " in kind else small
    codec = build_codec(encoder=FRONT, quantizer=options)
    if kind in REFUSED:
        with pytest.raises(ModelError, match=rf"quantizer {kind}\) has no graphs: its codes"):
            exported(codec, tmp_path)
        assert not list(tmp_path.glob("*.onnx"))
        return
    encoder, decoder = exported(codec, tmp_path)
    x = sound(2, 40)
    codes = codec.encode(x).numpy()
    assert np.array_equal(encoder.run("waveform", x, "codes"), codes)
    assert np.allclose(decoded(decoder, codes, codec.delay), codec.decode(codes).numpy(), atol=1e-5)


def test_eight_bits_decode_nearly_the_same_whatever_else_is_in_the_batch(model: Model) -> None:
    codec, encoder, exact = model
    graph = Graph(exact.path.with_name("decoder.int8.onnx"))
    codes = encoder.run("waveform", sound(3, 40), "codes")
    expected, found = (decoded(g, codes, codec.delay) for g in (exact, graph))
    assert np.square(found - expected).mean() < 1e-3 * np.square(expected).mean()
    alone = decoded(graph, codes[1:2], codec.delay)
    assert np.square(found[1] - alone[0]).mean() < 1e-6 * np.square(expected).mean()


def test_frames_near_a_boundary_are_computed_again_wherever_they_are(tmp_path: Path) -> None:
    """All of them, many at once, or some that are cut out: the codes are the same."""
    codec = build_codec(**CODECS["spectral front, harmonic"])
    encoder, _ = exported(codec, tmp_path)
    x, counts = sound(2, 40), []
    expected = codec.encode(x).numpy()
    for bound in (1e9, 1e-2, 1e-3, 1e-4, 3e-5, 0.0):
        values = with_bound(encoder, bound).outputs("waveform", x, ["codes", "recomputed"])
        counts.append(int(values["recomputed"]))
        assert np.array_equal(values["codes"], expected)
    assert counts[0] == 80 and counts[-1] == 0 and any(0 < count < 10 for count in counts)


def with_bound(graph: Graph, bound: float) -> Graph:
    """The graph with another margin, in a file beside it."""
    model = onnx.load(graph.path, load_external_data=False)
    (margin,) = (t for t in model.graph.initializer if t.name == MARGIN_NAME)
    margin.CopyFrom(onnx.numpy_helper.from_array(np.float32(bound), MARGIN_NAME))
    path = graph.path.with_name("other.onnx")
    _write(model, path, {k: v for k, v in graph.metadata.items() if k != GRAPH_CHECKSUM})
    return Graph(path)


def test_threads_rest_when_there_is_nothing_to_do(model: Model) -> None:
    """Those that wait by turning take a core from whatever comes next."""
    _, encoder, _ = model
    x = sound(1, 750)
    encoder.run("waveform", x, "codes", threads=2)
    start = time.process_time()
    encoder.run("waveform", x[..., :HOP], "codes", threads=2)
    time.sleep(0.1)
    assert time.process_time() - start < 0.05


def test_codecs_of_whole_signals_are_refused(tmp_path: Path) -> None:
    codec = build_codec(encoder={"kind": "simvq_paper", "n_filters": 2, "lstm_layers": 0})
    with pytest.raises(ModelError, match="needs the whole signal"):
        exported(codec, tmp_path)


def test_half_precision_weights_are_read_from_their_file(tmp_path: Path) -> None:
    write_model(build_codec(), tmp_path, torch.float16)
    codec = load_codec(tmp_path)
    export_graphs(codec, tmp_path)
    x = sound(1, 20)
    codes = Graph(tmp_path / "encoder.onnx").run("waveform", x, "codes")
    assert np.array_equal(codes, codec.encode(x).numpy())
    assert (tmp_path / "encoder.onnx").stat().st_size < 400_000


@pytest.mark.parametrize("damage", ["codec.safetensors", "tables.safetensors", "encoder.onnx"])
def test_damaged_files_are_one_line(tmp_path: Path, damage: str) -> None:
    exported(build_codec(), tmp_path)
    path = tmp_path / damage
    contents = bytearray(path.read_bytes())
    contents[-20] ^= 1
    path.write_bytes(contents)
    with pytest.raises(ModelError, match=damage) as caught:
        Graph(tmp_path / "encoder.onnx").run("waveform", sound(1, 2), "codes")
    assert "\n" not in str(caught.value)


def test_the_command_adds_graphs_to_a_copy_or_to_the_folder_itself(
    tiny_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "mine"
    assert main(["model", "export", str(tiny_model_dir), str(target), "--onnx"]) == 0
    assert Graph(target / "encoder.onnx").metadata["name"] == "mine"
    (target / "README.md").write_text("a card")
    (target / "decoder.onnx").unlink()
    assert main(["model", "export", str(target), str(target), "--onnx"]) == 0
    assert {"README.md", "decoder.onnx"} <= {path.name for path in target.iterdir()}
    assert "model hash" in capsys.readouterr().out
