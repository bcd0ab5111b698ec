"""A codec run by onnxruntime: its graphs in a model folder, without PyTorch."""

import contextlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.environment import available_cores
from audiocodec.errors import ConfigError, ModelError
from audiocodec.models.base import BaseCodec, DecodeStep, EncodeStep
from audiocodec.models.folders import (
    BEAMS_GRAPH,
    DECODER_GRAPH,
    DECODER_INT8_GRAPH,
    ENCODER_GRAPH,
    model_name,
    own_root,
    require_own,
)
from audiocodec.runtime.graph import Graph, GraphState

_DECODED = 512  # frames of a whole batch at once: what layers widen then stays in the caches
_SHORTEST = 2  # pasts that a part of its own is long, lest most of it be done twice
_SCORES = 2**22  # of sequences of codes at once: 32 MB
_BATCH_SECONDS = 8.0  # of models whose graphs do not say what suits them


@dataclass(frozen=True)
class Piece:
    """How a graph runs over a piece of its input, whose frames are `unit` long."""

    graph: Graph
    input: str
    output: str
    unit: int
    block: int | None = None  # frames at once, default all
    given: Mapping[str, np.ndarray] | None = None  # other inputs

    def run(self, x: np.ndarray, state: GraphState | None, threads: int) -> np.ndarray:
        """The output; goes on from `state` and leaves the next one in it."""
        length = x.shape[-1]
        frames = length // self.unit
        if self.block is None or frames <= self.block:
            return self.graph.run(self.input, x, self.output, state, threads, self.given)
        size = -(-frames // -(-frames // self.block)) * self.unit  # alike: a short one costs more
        state = GraphState() if state is None else state
        blocks = [
            self.graph.run(
                self.input, x[..., i : i + size], self.output, state, threads, self.given
            )
            for i in range(0, length, size)
        ]
        return np.concatenate(blocks, axis=-1)


class GraphCodec(BaseCodec[np.ndarray]):
    """A codec of two graphs, which returns arrays; `load_codec(..., runtime="onnx")` gives one.

    >>> from audiocodec import load_codec, read_audio
    >>> codec = load_codec(runtime="onnx")
    >>> audio = read_audio("speech.wav")
    >>> codes = codec.encode(audio.waveform[0], audio.info.sample_rate)
    >>> codes.shape, codes.dtype
    ((8, 75), dtype('int64'))
    """

    codebook_sizes: tuple[int, ...] = ()
    weight_hash = ""
    delay = 0
    encoder_causal = decoder_causal = True
    folder: Path

    def __init__(self, encoder: Graph, decoder: Graph, name: str, folder: Path) -> None:
        self.encoder, self.decoder = encoder, decoder
        self.name, self.folder = name, folder
        facts = encoder.metadata
        self.sample_rate, self.hop_length = int(facts["sample_rate"]), int(facts["hop_length"])
        self.delay, self.weight_hash = int(facts["delay"]), facts["weight_hash"]
        self.codebook_sizes = tuple(encoder.value("codebook_sizes"))
        self._threads: int | None = None
        self._beams_graph: Graph | None = None

    @property
    def runtime(self) -> str:
        return "onnx-int8" if self.decoder.path.name == DECODER_INT8_GRAPH else "onnx"

    def encoding(self) -> EncodeStep:
        beams, searching = self.beams, self._beams_graph  # a stream goes on as it began

        def step(
            waveform: np.ndarray, num_quantizers: int, state: GraphState | None = None
        ) -> np.ndarray:
            x = waveform.astype(np.float32, copy=False)
            if searching is None:
                piece = Piece(self.encoder, "waveform", "codes", self.hop_length)
                return self._at_once(piece, x, state)[:, :num_quantizers]
            given = {"stages": np.array([num_quantizers]), "beams": np.array([beams])}
            block = max(1, _SCORES // (beams * max(self.codebook_sizes) * len(x)))
            piece = Piece(searching, "waveform", "codes", self.hop_length, block, given)
            return self._at_once(piece, x, state)

        return step

    def _prepare_beams(self, beams: int) -> None:
        if beams == 1:
            self._beams_graph = None
            return
        path = self.folder / BEAMS_GRAPH
        if not path.is_file():
            raise ConfigError(
                f"{self.folder} has no {BEAMS_GRAPH}: its codes cannot be searched with beams, or "
                "its graphs were made before there were any; make them again by `codec model "
                "export MODEL OUT --onnx`, or take runtime torch"
            )
        require_own(path, own_root(self.folder))
        self._beams_graph = _of_same_model(Graph(path), self.encoder, self.folder)

    def decoding(self) -> DecodeStep:
        def step(codes: np.ndarray, state: GraphState | None = None) -> np.ndarray:
            piece = Piece(self.decoder, "codes", "waveform", 1, max(1, _DECODED // len(codes)))
            return self._at_once(piece, codes, state)

        return step

    def _at_once(self, piece: Piece, x: np.ndarray, state: GraphState | None) -> np.ndarray:
        """The output for a piece, of which threads compute a part each.

        Layers this narrow gain little from two threads in each. A part but the first begins with a
        silent past, early enough to have forgotten it.
        """
        graph, threads = piece.graph, self._threads or available_cores()
        warm, frames = graph.warm_up, x.shape[-1] // piece.unit
        if warm is None:
            return piece.run(x, state, threads)
        parts = max(1, min(threads, frames // (_SHORTEST * warm)))
        if parts == 1:
            return piece.run(x, state, 1)
        share = frames + (parts - 1) * warm  # of the work; the first part has nothing to repeat
        bounds = [0] + [share * part // parts - (part - 1) * warm for part in range(1, parts + 1)]
        first = GraphState(None if state is None else state.rows)
        later = [graph.started(state, bound - warm, len(x)) for bound in bounds[1:-1]]
        states = [first, *later]

        def part(number: int) -> np.ndarray:
            early = warm if number else 0
            start, stop = bounds[number] - early, bounds[number + 1]
            cut = x[..., start * piece.unit : stop * piece.unit]
            output = piece.run(cut, states[number], 1)
            return output[..., output.shape[-1] // (stop - start) * early :]

        with ThreadPoolExecutor(parts) as pool:
            outputs = list(pool.map(part, range(parts)))
        if state is not None:
            state.rows = states[-1].rows
        return np.concatenate(outputs, axis=-1)

    def new_state(self) -> GraphState:
        return GraphState()

    def own(self, array: np.ndarray) -> np.ndarray:
        return array

    @contextlib.contextmanager
    def threads(self, count: int | None) -> Iterator[None]:
        """The number belongs to this codec alone."""
        former, self._threads = self._threads, count or self._threads
        try:
            yield
        finally:
            self._threads = former

    def batch_seconds(self) -> float:
        return float(self.encoder.metadata.get("batch_seconds", _BATCH_SECONDS))

    def costs(self) -> dict[str, Any]:
        facts = self.encoder.metadata
        parts = ("encoder", "quantizer", "decoder")
        parameters = {part: int(facts[f"{part}_parameters"]) for part in parts}
        report = {"parameters": parameters | {"total": sum(parameters.values())}}
        if "encode_macs" in facts:
            macs = {half: int(facts[f"{half}_macs"]) for half in ("encode", "decode")}
            report["macs_per_second_of_audio"] = macs | {"total": sum(macs.values())}
        return report


def read_graphs(folder: Path, decoder_file: str = DECODER_GRAPH) -> GraphCodec:
    """The codec of the graphs in a model folder.

    Raises:
        ModelError: they are incomplete, damaged, or of different models.
    """
    root = own_root(folder)
    for file in (ENCODER_GRAPH, decoder_file):
        require_own(folder / file, root)
    encoder = Graph(folder / ENCODER_GRAPH)
    decoder = _of_same_model(Graph(folder / decoder_file), encoder, folder)
    try:
        return GraphCodec(encoder, decoder, model_name(folder), folder)
    except (KeyError, ValueError, TypeError) as error:
        raise ModelError(f"{folder}: its graphs do not say what they are: {error}") from None


def _of_same_model(graph: Graph, encoder: Graph, folder: Path) -> Graph:
    """The graph; raises ModelError if it is of other weights than the encoder's."""
    own, other = (g.metadata.get("weight_hash") for g in (encoder, graph))
    if own != other:
        raise ModelError(
            f"{folder}: {ENCODER_GRAPH} is of model {own}, {graph.path.name} of {other}; "
            "make both again by `codec model export --onnx`"
        )
    return graph
