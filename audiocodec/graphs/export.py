"""Graphs of a codec beside its weights: encoder, decoder (two precisions) and their tables."""

import contextlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeAlias

from safetensors import safe_open

from audiocodec.errors import ModelError
from audiocodec.extras import extra
from audiocodec.graphs.beams import emit_beams, has_beams
from audiocodec.graphs.builder import Names, Scope, Value
from audiocodec.graphs.decoder import emit_decoder
from audiocodec.graphs.encoder import emit_exact, emit_gaps, emit_with_margin, has_margin
from audiocodec.graphs.margin import SAFETY, Measured, measure
from audiocodec.graphs.stored import StoredTensors
from audiocodec.models.codec import Codec
from audiocodec.models.cost import macs_per_second
from audiocodec.models.folders import (
    BEAMS_GRAPH,
    DECODER_GRAPH,
    DECODER_INT8_GRAPH,
    ENCODER_GRAPH,
    GRAPH_TABLES,
    WEIGHTS_FILE,
)
from audiocodec.models.weights import CHECKSUM_KEY
from audiocodec.quantization import QUANTIZERS
from audiocodec.runtime.files import GRAPH_CHECKSUM, graph_checksum
from audiocodec.runtime.graph import Graph

with extra("onnx-export"):
    import onnx
    from onnx import TensorProto, helper

Signature: TypeAlias = dict[str, tuple[str, list[Any]]]  # name -> type and shape

_OPSET, _IR = 20, 10  # onnxruntime 1.18 and newer
_WAVEFORM: Signature = {"waveform": ("float32", ["batch", 1, "samples"])}
_TYPES = {"int64": TensorProto.INT64, "float32": TensorProto.FLOAT, "float64": TensorProto.DOUBLE}


def export_graphs(codec: Codec, folder: Path, name: str | None = None) -> None:
    """Write the graphs of `codec`, whose weights lie in `folder`, beside them.

    Args:
        name: of the model, if it is not to be the codec's.

    Raises:
        ModelError: a codec that needs the whole signal, or a part of it without a translation.
    """
    codec = codec.cpu().eval()
    if not (codec.encoder.causal and codec.decoder.causal):
        raise ModelError(
            f"{codec.name} has no graphs: its encoder or decoder needs the whole signal, and "
            "graphs are streams"
        )
    stored = _stored(codec, folder)
    try:
        measured = None
        if has_margin(codec):
            with gap_graphs(codec, folder) as pair:
                measured = measure(codec, *pair)
        for _ in range(2):  # tables have places only when all of them are known
            decoder, encoder = _decoder(codec, stored), _encoder(codec, stored, measured)
            small = _decoder(codec, stored, int8=True)
            beams = _beams(codec, stored) if has_beams(codec) else None
            stored.write_tables(folder)
    except ModelError as error:
        kind = QUANTIZERS.kind_of(codec.config.quantizer)
        raise ModelError(f"{codec.name} (quantizer {kind}) has no graphs: {error}") from None
    common = _metadata(codec, folder, name or codec.name)
    graphs = {ENCODER_GRAPH: encoder, DECODER_GRAPH: decoder, DECODER_INT8_GRAPH: small}
    if beams is not None:
        graphs[BEAMS_GRAPH] = beams
    for file, model in graphs.items():
        _write(model, folder / file, common)


@contextlib.contextmanager
def gap_graphs(codec: Codec, folder: Path) -> Iterator[tuple[Graph, Graph]]:
    """The encoder's graphs in float32 and float64 that give gaps, for a moment in `folder`, which
    has the codec's weights; their tables stay there.
    """
    stored = _stored(codec, folder)
    paths = {dtype: folder / f"gaps.{dtype}.onnx" for dtype in ("float32", "float64")}
    try:
        for _ in range(2):
            models = {dtype: _gaps(codec, stored, dtype) for dtype in paths}
            stored.write_tables(folder)
        for dtype, path in paths.items():
            _write(models[dtype], path, _metadata(codec, folder, codec.name))
        yield Graph(paths["float32"]), Graph(paths["float64"])
    finally:
        for path in paths.values():
            path.unlink(missing_ok=True)


def _stored(codec: Codec, folder: Path) -> StoredTensors:
    return StoredTensors(folder / WEIGHTS_FILE, codec.state_dict(), GRAPH_TABLES)


def _gaps(codec: Codec, stored: StoredTensors, dtype: str) -> onnx.ModelProto:
    emitted = emit_gaps(codec, Names(stored), dtype)
    outputs: Signature = {
        "codes": ("int64", ["batch", codec.num_quantizers, "frames"]),
        "gaps": (dtype, ["batch", codec.num_quantizers, "frames"]),
        "gains": (dtype, ["batch", "frames"]),
    }
    return _model(emitted.scope, _WAVEFORM, emitted.outputs, outputs, emitted.state_size)


def _write(model: onnx.ModelProto, path: Path, metadata: dict[str, str]) -> None:
    helper.set_model_props(model, metadata | {p.key: p.value for p in model.metadata_props})
    _add_properties(model, **{GRAPH_CHECKSUM: "00000000"})
    model.metadata_props[-1].value = graph_checksum(model.SerializeToString())
    path.write_bytes(model.SerializeToString())


def _metadata(codec: Codec, folder: Path, name: str) -> dict[str, str]:
    with safe_open(folder / WEIGHTS_FILE, "numpy") as file:
        checksum = (file.metadata() or {}).get(CHECKSUM_KEY, "")
    parts = {part: getattr(codec, part) for part in ("encoder", "quantizer", "decoder")}
    counts = {f"{n}_parameters": sum(p.numel() for p in m.parameters()) for n, m in parts.items()}
    macs = macs_per_second(codec)
    values: dict[str, Any] = {
        "format": "1",
        "name": name,
        "sample_rate": codec.sample_rate,
        "hop_length": codec.hop_length,
        "delay": codec.decoder.delay,
        "latency_samples": codec.latency_samples,
        "codebook_sizes": list(codec.codebook_sizes),
        "weight_hash": codec.weight_hash,
        "checksum": checksum,
        "tables_checksum": f"{zlib.crc32((folder / GRAPH_TABLES).read_bytes()):08x}",
        "files": [WEIGHTS_FILE, GRAPH_TABLES],
        "batch_seconds": codec.batch_seconds(),
        "encode_macs": round(macs.encode),
        "decode_macs": round(macs.decode),
        **counts,
    }
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}


def _encoder(codec: Codec, stored: StoredTensors, measured: Measured | None) -> onnx.ModelProto:
    if measured is None:
        emitted = emit_exact(codec, Names(stored))
    else:
        emitted = emit_with_margin(codec, Names(stored), measured.bound)
    outputs = {
        "codes": ("int64", ["batch", codec.num_quantizers, "frames"]),
        "recomputed": ("int64", []),
    }
    model = _model(emitted.scope, _WAVEFORM, emitted.outputs, outputs, emitted.state_size)
    frames = emitted.receptive_frames
    _add_properties(
        model,
        receptive_frames="" if frames is None else str(frames),
        margin="" if measured is None else json.dumps(asdict(measured) | {"safety": SAFETY}),
    )
    return model


def _beams(codec: Codec, stored: StoredTensors) -> onnx.ModelProto:
    emitted = emit_beams(codec, Names(stored))
    inputs: Signature = {**_WAVEFORM, "stages": ("int64", [1]), "beams": ("int64", [1])}
    outputs: Signature = {"codes": ("int64", ["batch", "stages", "frames"])}
    model = _model(emitted.scope, inputs, emitted.outputs, outputs, emitted.state_size)
    frames = emitted.receptive_frames
    _add_properties(model, receptive_frames="" if frames is None else str(frames))
    return model


def _decoder(codec: Codec, stored: StoredTensors, int8: bool = False) -> onnx.ModelProto:
    emitted = emit_decoder(codec, Names(stored), int8)
    model = _model(
        emitted.scope,
        {"codes": ("int64", ["batch", "stages", "frames"])},
        emitted.outputs,
        {"waveform": ("float32", ["batch", 1, "samples"])},
        emitted.state_size,
    )
    frames = emitted.receptive_frames
    _add_properties(
        model,
        receptive_frames="" if frames is None else str(frames),
        counters=json.dumps(emitted.counters),
    )
    return model


def _add_properties(model: onnx.ModelProto, **values: str) -> None:
    for key, value in values.items():
        model.metadata_props.add(key=key, value=value)


def _model(
    scope: Scope,
    inputs: Signature,
    values: dict[str, Value],
    outputs: Signature,
    state_size: int,
) -> onnx.ModelProto:
    """The graph of a scope, with its state."""
    state = (scope.dtype, ["batch", state_size])
    given = {**inputs, "state": state}
    wanted = {**outputs, "next_state": state}
    for name in wanted:
        helper_node = helper.make_node("Identity", [values[name].name], [name])
        scope.nodes.append(helper_node)
    starts, ends = (
        [helper.make_tensor_value_info(n, _TYPES[dtype], shape) for n, (dtype, shape) in group]
        for group in (given.items(), wanted.items())
    )
    initializers = list(scope.names.initializers.values())
    graph = helper.make_graph(scope.nodes, "codec", starts, ends, initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR
    )
    _add_properties(model, state_size=str(state_size), state_dtype=scope.dtype)
    return model
