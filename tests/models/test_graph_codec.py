"""Graphs run by onnxruntime are the codec: the same codes whole, batched, in blocks, streamed."""

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from audiocodec.errors import AudioError, CodeFileError, ConfigError, MissingPackage, ModelError
from audiocodec.models import base
from audiocodec.models.bundle import load_codec, quickest_runtime, save_codec
from audiocodec.models.chunking import decode_blocks, encode_blocks
from audiocodec.models.codec import Codec
from audiocodec.models.folders import (
    BEAMS_GRAPH,
    DECODER_GRAPH,
    DECODER_INT8_GRAPH,
    ENCODER_GRAPH,
    RUNTIME_VARIABLE,
)
from audiocodec.models.graph_codec import GraphCodec
from audiocodec.models.streaming import StreamDecoder, StreamEncoder
from audiocodec.pipeline.models import load_model
from tests.conftest import build_codec
from tests.models.variants import variant

LENGTHS = [1, 319, 320, 321, 9_001]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).astype(np.float32)


def exported(codec: Codec, folder: Path) -> Path:
    from audiocodec.graphs.export import export_graphs

    save_codec(codec, folder)
    export_graphs(load_codec(folder, runtime="torch"), folder, "tiny")
    return folder


@pytest.fixture(scope="module", params=["mdct", "lookahead"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(variant(request.param), tmp_path_factory.mktemp("graphs") / "tiny")


@pytest.fixture(scope="module")
def both(model: Path) -> tuple[Codec, GraphCodec]:
    return load_codec(model, runtime="torch"), load_codec(model, runtime="onnx")


def test_it_says_of_itself_what_the_layers_say(both: tuple[Codec, GraphCodec]) -> None:
    layers, graphs = both
    for name in ("name", "sample_rate", "hop_length", "frame_rate", "codebook_sizes", "delay"):
        assert getattr(graphs, name) == getattr(layers, name), name
    assert graphs.weight_hash == layers.weight_hash
    assert graphs.latency_samples == layers.latency_samples
    assert graphs.bitrate(2) == layers.bitrate(2)
    assert graphs.costs()["parameters"] == layers.costs()["parameters"]


def test_eight_bits_are_a_runtime_with_the_same_codes(
    model: Path, both: tuple[Codec, GraphCodec], tmp_path: Path
) -> None:
    _, exact = both
    quick = load_codec(model, runtime="onnx-int8")
    codes = exact.encode(noise(9_001))
    assert np.array_equal(quick.encode(noise(9_001)), codes)
    expected, heard = exact.decode(codes), quick.decode(codes)
    assert not np.array_equal(heard, expected)
    assert np.square(heard - expected).mean() < 1e-3 * np.square(expected).mean()
    shutil.copytree(model, tmp_path / "older")
    (tmp_path / "older" / DECODER_INT8_GRAPH).unlink()
    with pytest.raises(ModelError, match="no graphs for the onnx-int8 runtime"):
        load_codec(tmp_path / "older", runtime="onnx-int8")


@pytest.mark.parametrize("num_samples", LENGTHS)
def test_codes_are_equal_and_waveforms_close(
    both: tuple[Codec, GraphCodec], num_samples: int
) -> None:
    layers, graphs = both
    waveform = noise(num_samples)
    codes = graphs.encode(waveform)
    assert isinstance(codes, np.ndarray) and codes.dtype == np.int64
    np.testing.assert_array_equal(codes, layers.encode(waveform).numpy())
    for given in (codes, codes[:1]):
        decoded = graphs.decode(given, num_samples)
        assert decoded.dtype == np.float32 and decoded.shape == (num_samples,)
        expected = layers.decode(given, num_samples).numpy()
        np.testing.assert_allclose(decoded, expected, rtol=0, atol=1e-5)
    assert graphs.reconstruct(waveform).shape == waveform.shape


def test_a_batch_of_different_lengths_is_its_members(both: tuple[Codec, GraphCodec]) -> None:
    _, graphs = both
    batch = np.full((len(LENGTHS), max(LENGTHS)), 9, dtype=np.float32)
    for row, length in zip(batch, LENGTHS, strict=True):
        row[:length] = noise(length, seed=length)
    codes = graphs.encode(batch, num_samples=LENGTHS)
    decoded = graphs.decode(codes, num_samples=LENGTHS)
    for row, length in enumerate(LENGTHS):
        alone = graphs.encode(batch[row, :length])
        np.testing.assert_array_equal(codes[row, :, : alone.shape[1]], alone)
        expected = graphs.decode(alone, num_samples=length)
        np.testing.assert_allclose(decoded[row, 0, :length], expected, rtol=0, atol=1e-5)
        assert not decoded[row, 0, length:].any()


@pytest.mark.parametrize("size", [1, 319, 640, 5_000])
def test_streams_and_blocks_are_the_whole(
    both: tuple[Codec, GraphCodec], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, graphs = both
    waveform = noise(2, 3_001)
    codes = graphs.encode(waveform)
    decoded = graphs.decode(codes, num_samples=3_001)
    encoders, decoders = (
        [kind(graphs) for _ in waveform] for kind in (StreamEncoder, StreamDecoder)
    )
    frames, heard = [], []
    for start in range(0, 3_001, size):
        pieces = list(waveform[:, start : start + size])
        frames.append(np.stack(StreamEncoder.push_each(encoders, pieces)))
        heard.append(np.stack(StreamDecoder.push_each(decoders, list(frames[-1]))))
    frames.append(np.stack(StreamEncoder.flush_each(encoders)))
    ends = [3_001 % graphs.hop_length] * 2
    heard.append(np.stack(StreamDecoder.push_each(decoders, list(frames[-1]), ends)))
    heard.append(np.stack(StreamDecoder.flush_each(decoders)))
    np.testing.assert_array_equal(np.concatenate(frames, axis=-1), codes)
    np.testing.assert_allclose(np.concatenate(heard, axis=-1), decoded[:, 0], rtol=0, atol=1e-5)

    blocks = [waveform[:, start : start + size] for start in range(0, 3_001, size)]
    np.testing.assert_array_equal(np.concatenate([*encode_blocks(graphs, blocks)], axis=-1), codes)
    samples = np.concatenate([*decode_blocks(graphs, codes, 3_001)], axis=-1)
    np.testing.assert_allclose(samples, decoded[:, 0], rtol=0, atol=1e-5)
    monkeypatch.setattr(base, "BLOCK_FRAMES", 3)
    np.testing.assert_array_equal(graphs.encode(waveform), codes)


def test_arrays_tensors_and_other_rates_are_taken(both: tuple[Codec, GraphCodec]) -> None:
    layers, graphs = both
    waveform = torch.from_numpy(noise(4_000)).requires_grad_()
    np.testing.assert_array_equal(graphs.encode(waveform), layers.encode(waveform).numpy())
    other = noise(3_000).astype(np.float64)
    np.testing.assert_array_equal(
        graphs.encode(other, 16_000), layers.encode(other, 16_000).numpy()
    )


def test_what_is_wrong_is_refused_in_the_same_words(both: tuple[Codec, GraphCodec]) -> None:
    for codec in both:
        with pytest.raises(AudioError, match="NaN"):
            codec.encode(np.array([0, np.nan]))
        with pytest.raises(CodeFileError, match="outside"):
            codec.decode(np.full((1, 2), 99))
        with pytest.raises(ConfigError, match="1 to 3"):
            codec.encode(noise(10), num_quantizers=4)


def test_the_number_of_threads_changes_no_code(both: tuple[Codec, GraphCodec]) -> None:
    _, graphs = both
    codes = graphs.encode(noise(9_000))
    with graphs.threads(3):
        np.testing.assert_array_equal(graphs.encode(noise(9_000)), codes)


HARMONIC = {
    "encoder": {
        "kind": "convnext", "strides": [320], "channels": [24], "blocks": [2], "mel_bands": 20,
    },
    "decoder": {
        "kind": "convnext", "channels": 24, "blocks": 2, "lookahead": 1,
        "head": {"kind": "harmonic"},
    },
}  # fmt: skip


@pytest.mark.parametrize("options", [{}, HARMONIC], ids=["strided", "harmonic"])
def test_threads_that_share_a_piece_of_a_stream_change_nothing(
    options: dict[str, object], tmp_path: Path
) -> None:
    codec = load_codec(exported(build_codec(**options), tmp_path / "tiny"), runtime="onnx")
    assert isinstance(codec, GraphCodec) and codec.decoder.warm_up and codec.encoder.warm_up
    hop, shortest = codec.hop_length, 6 * max(codec.decoder.warm_up, codec.encoder.warm_up)
    waveform = noise(2, 1, 4 * shortest * hop)
    pieces = np.split(waveform, [hop * n for n in (7, 8, 8 + 2 * shortest)], axis=-1)

    def run(threads: int) -> tuple[np.ndarray, np.ndarray]:
        states = codec.new_state(), codec.new_state()
        with codec.threads(threads):
            encode, decode = codec.encoding(), codec.decoding()
            codes = [encode(piece, codec.num_quantizers, states[0]) for piece in pieces]
            sound = [decode(piece, states[1]) for piece in codes]
        assert all(state.rows is not None for state in states)
        return np.concatenate(codes, axis=-1), np.concatenate(sound, axis=-1)

    codes, sound = run(1)
    for threads in (2, 3):
        found = run(threads)
        np.testing.assert_array_equal(found[0], codes)
        np.testing.assert_allclose(found[1], sound, atol=1e-6)


def test_a_runtime_is_chosen_by_argument_then_variable_then_what_there_is(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_codec(build_codec(), tmp_path / "bare")
    monkeypatch.delenv(RUNTIME_VARIABLE, raising=False)
    assert isinstance(load_codec(model), Codec)  # tensors, as ever
    assert quickest_runtime(model) == "onnx"  # where only files are seen
    assert quickest_runtime(model, "cuda") is quickest_runtime(tmp_path / "bare") is None
    monkeypatch.setenv(RUNTIME_VARIABLE, "onnx")
    assert isinstance(load_codec(model), GraphCodec)
    assert isinstance(load_codec(model, runtime="torch"), Codec)
    monkeypatch.setenv(RUNTIME_VARIABLE, "torch")
    assert quickest_runtime(model) is None
    assert isinstance(load_codec(model, runtime="onnx"), GraphCodec)
    with pytest.raises(ModelError, match="no graphs"):
        load_codec(tmp_path / "bare", runtime="onnx")
    with pytest.raises(ConfigError, match="onnx, onnx-int8, torch, torch-float32"):
        load_codec(model, runtime="tensorrt")
    with pytest.raises(ConfigError, match="not on cuda"):
        load_codec(model, "cuda", runtime="onnx")


def test_float32_is_for_who_asks_for_it(model: Path) -> None:
    exact, quick = (load_codec(model, runtime=runtime) for runtime in ("torch", "torch-float32"))
    x = noise(4, 20_000)
    expected = exact.encode_array(x)
    assert isinstance(exact, Codec) and isinstance(quick, Codec)
    for codec, dtype in ((exact, torch.float64), (quick, torch.float32)):
        encoder, quantizer = codec.exact_encoder()
        assert {p.dtype for part in (encoder, quantizer) for p in part.parameters()} == {dtype}
    assert (quick.encode_array(x) == expected).mean() > 0.99
    quick.exact = True  # what was made for float32 is made again
    assert np.array_equal(quick.encode_array(x), expected)
    assert quick.exact_encoder()[0] is quick.exact_encoder()[0]


def test_without_pytorch_graphs_are_the_default(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_codec(build_codec(), tmp_path / "bare")
    monkeypatch.delenv(RUNTIME_VARIABLE, raising=False)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert isinstance(load_codec(model), GraphCodec)
    with pytest.raises(MissingPackage, match=r"bare has no graphs.*simvq-codec\[torch\]"):
        load_codec(tmp_path / "bare")


@pytest.mark.parametrize("file", [ENCODER_GRAPH, DECODER_GRAPH, "codec.safetensors", "config.yaml"])
def test_damaged_graphs_are_one_line(model: Path, tmp_path: Path, file: str) -> None:
    for path in model.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    data = (tmp_path / file).read_bytes()
    (tmp_path / file).write_bytes(data[: len(data) // 2])
    with pytest.raises(ModelError) as caught:
        codec = load_codec(tmp_path, runtime="onnx")
        codec.decode(codec.encode(noise(700)))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("stages", [1, 2, 3])
def test_searches_with_beams_are_equal_whole_in_pieces_and_in_batches(
    model: Path, stages: int
) -> None:
    layers, graphs = (load_codec(model, runtime=r, beams=4) for r in ("torch", "onnx"))
    batch = noise(2, 9_001)
    codes = layers.encode(batch, num_quantizers=stages).numpy()
    assert np.array_equal(graphs.encode(batch, num_quantizers=stages), codes)
    nearest = load_codec(model, runtime="onnx").encode(batch, num_quantizers=stages)
    assert np.array_equal(nearest, codes) is (stages == 1)
    for codec in (layers, graphs):
        assert np.array_equal(codec.encode(batch[1], num_quantizers=stages), codes[1])
        encoder = StreamEncoder(codec, stages)
        pieces = [encoder.push(piece) for piece in np.split(batch[0], [1, 700, 5000])]
        streamed = np.concatenate([*map(np.asarray, pieces), np.asarray(encoder.flush())], axis=1)
        assert np.array_equal(streamed, codes[0])


def test_streams_of_fewer_stages_have_the_codes_of_their_own_search(model: Path) -> None:
    codec = load_codec(model, runtime="onnx", beams=4)
    x, encoders = noise(9_600), [StreamEncoder(codec, stages) for stages in (3, 2)]
    for codes, stages in zip(StreamEncoder.push_each(encoders, [x, x]), (3, 2), strict=True):
        assert np.array_equal(codes, codec.encode(x, num_quantizers=stages))


def test_beams_that_cannot_be_had_are_one_line(model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="17 beams asked for; tiny has 1 to 16"):
        load_codec(model, runtime="torch", beams=17)
    shutil.copytree(model, tmp_path / "older")
    (tmp_path / "older" / BEAMS_GRAPH).unlink()
    with pytest.raises(ConfigError, match=f"no {BEAMS_GRAPH}.*runtime torch"):
        load_codec(tmp_path / "older", runtime="onnx", beams=2)
    assert quickest_runtime(tmp_path / "older") == "onnx"
    assert quickest_runtime(tmp_path / "older", beams=2) is None
    with pytest.raises(ConfigError, match=r"model.use_beams\(2\)"):
        load_model(load_codec(model, runtime="onnx"), "cpu", beams=2)
    stack = {"kind": "stack", "num_quantizers": 2, "stage": {"kind": "fsq"}}
    codec = build_codec(quantizer=stack)
    with pytest.raises(ConfigError, match=r"\(quantizer stack\) cannot be searched with beams"):
        codec.use_beams(2)
    assert codec.beams == 1
