"""ONNX graphs of codecs and how they are run: one graph a direction, and streams are all there is.

A graph takes a piece and the state of its streams, and gives its output and the next state; a
state of zeros is the start of a stream. The numbers of a model lie in safetensors files beside the
graph, which are checked before they are used. Needs NumPy and onnxruntime.
"""

import json
import threading
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.environment import available_cores, import_onnxruntime
from audiocodec.errors import MissingPackage, ModelError, one_line
from audiocodec.runtime.files import (
    GRAPH_CHECKSUM,
    graph_checksum,
    graph_metadata,
    mapped,
    weights_checksum,
)

FORMAT = "1"
CONFIG_FILE = "config.yaml"  # part of what the checksum of the weights covers


class GraphState:
    """Where a stream, or a batch of streams, is; an empty one has heard silence."""

    def __init__(self, rows: np.ndarray | None = None) -> None:
        self.rows = rows  # (batch, state size)

    @staticmethod
    def join(states: "Sequence[GraphState]") -> "GraphState":
        """One state of a batch from those of its rows."""
        known = [state.rows for state in states if state.rows is not None]
        if not known:
            return GraphState()
        silence = np.zeros_like(known[0][:1])
        return GraphState(
            np.concatenate([silence if state.rows is None else state.rows for state in states])
        )

    def split(self, rows: int) -> "list[GraphState]":
        """The states of the rows of a batch, each with memory of its own."""
        if self.rows is None:
            return [GraphState() for _ in range(rows)]
        return [GraphState(self.rows[row : row + 1].copy()) for row in range(rows)]


class Graph:
    """One ONNX file of a model folder; sessions are made when they are first needed, and shared."""

    def __init__(self, path: Path) -> None:
        """Read what the graph says of itself.

        Raises:
            ModelError: missing, damaged, or of a later format.
        """
        self.path = path
        try:
            self._model = path.read_bytes()
            self.metadata: Mapping[str, str] = graph_metadata(self._model)
        except (OSError, ModelError) as error:
            raise ModelError(f"{path}: {error}") from None
        if self.metadata.get("format") != FORMAT:
            raise ModelError(
                f"{path}: its format is {self.metadata.get('format')!r}, this version of "
                f"audiocodec reads {FORMAT!r}; export it again"
            )
        if self.metadata.get(GRAPH_CHECKSUM) != graph_checksum(self._model):
            raise ModelError(f"{path}: damaged: its checksum is not that of its contents")
        self.state_size = int(self.metadata["state_size"])
        self.state_dtype = np.dtype(self.metadata["state_dtype"])
        past = self.metadata.get("receptive_frames")
        self.warm_up = int(past) + 1 if past else None  # frames after which a past is forgotten
        self._counters: list[tuple[int, int]] = json.loads(self.metadata.get("counters", "[]"))
        self._sessions: dict[int, Any] = {}
        self._lock = threading.Lock()

    def value(self, key: str) -> Any:
        """An entry of the metadata that is JSON."""
        return json.loads(self.metadata[key])

    def started(self, state: GraphState | None, frames: int, batch: int) -> GraphState:
        """A silent past at `frames` after `state`: `warm_up` frames on, it is as good as the real
        one.
        """
        rows = np.zeros((batch, self.state_size), self.state_dtype)
        known = None if state is None else state.rows
        for place, period in self._counters:
            rows[:, place] = frames if known is None else known[:, place] + frames
            rows[:, place] %= period
        return GraphState(rows)

    def run(
        self,
        name: str,
        x: np.ndarray,
        output: str,
        state: GraphState | None = None,
        threads: int | None = None,
        given: Mapping[str, np.ndarray] | None = None,
    ) -> np.ndarray:
        """`output` for the input `name` and others that are `given`; goes on from `state` and
        leaves the next one in it.
        """
        wanted = [output] if state is None else [output, "next_state"]
        rows = None if state is None else state.rows
        results = self.outputs(name, x, wanted, rows, threads, given)
        if state is not None:
            state.rows = results["next_state"]
        return results[output]

    def outputs(
        self,
        name: str,
        x: np.ndarray,
        wanted: Sequence[str],
        state: np.ndarray | None = None,
        threads: int | None = None,
        given: Mapping[str, np.ndarray] | None = None,
    ) -> dict[str, np.ndarray]:
        """Several outputs, by name.

        Args:
            state: (batch, state size), default the start of a stream.
            threads: of the processor; default as many as there are cores.
            given: other inputs, by name.
        """
        if state is None:
            state = np.zeros((len(x), self.state_size), self.state_dtype)
        session = self._session(threads or available_cores())
        results = session.run(list(wanted), {name: x, "state": state, **(given or {})})
        return dict(zip(wanted, results, strict=True))

    def _session(self, threads: int) -> Any:
        with self._lock:
            if threads not in self._sessions:
                self._sessions[threads] = self._start(threads)
            return self._sessions[threads]

    def _start(self, threads: int) -> Any:
        try:
            onnxruntime = import_onnxruntime()  # not before a graph runs
        except ImportError as error:  # on Windows also for want of Microsoft's C++ runtime
            raise MissingPackage(
                f"onnxruntime cannot be loaded ({one_line(error)}); install it again, or take "
                "runtime torch"
            ) from None
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors
        # Threads that have done their share of a layer would otherwise go on spinning for some
        # time, on the cores of whatever comes next: a decoder then took half as long again.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        files = self._files()
        options.add_external_initializers_from_files_in_memory(
            list(files), list(files.values()), [len(contents) for contents in files.values()]
        )
        try:
            return onnxruntime.InferenceSession(
                self._model, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # its exceptions have no common class
            reason = one_line(error)[:300]
            raise ModelError(f"{self.path}: onnxruntime refuses it: {reason}") from None

    def _files(self) -> dict[str, np.ndarray]:
        """The files that the graph refers to, by name.

        Raises:
            ModelError: one is missing, or not as it was when the graph was made.
        """
        folder = self.path.parent
        weights, tables = self.value("files")
        contents = {name: mapped(folder / name) for name in (weights, tables)}
        try:
            config = (folder / CONFIG_FILE).read_text(encoding="utf-8")
        except OSError as error:
            raise ModelError(f"{folder / CONFIG_FILE}: not readable: {error}") from None
        found = {
            weights: (weights_checksum(config, contents[weights]), self.metadata["checksum"]),
            tables: (f"{zlib.crc32(contents[tables].data):08x}", self.metadata["tables_checksum"]),
        }
        for name, (own, expected) in found.items():
            if own != expected:
                raise ModelError(
                    f"{folder / name}: not what {self.path.name} was made for; one of them is "
                    "damaged or was replaced: make the graphs again by `codec model export --onnx`"
                )
        return contents
