"""Are the codes of the graphs those of PyTorch? Prints JSON with the number of codes that differ.

Every file is encoded by PyTorch in float64 as a whole, and by the graphs of the model in one of
three ways, in turn: as a whole; as a stream in pieces of random length; as a row of a batch of
four, on two threads. `float32_differs` counts the codes that float32 alone gets wrong: what the
recomputation is for. What is known so far is written to --output every half minute.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from audiocodec.audio import read_waveform
from audiocodec.environment import environment
from audiocodec.errors import AudioError
from audiocodec.models.bundle import load_codec
from audiocodec.models.folders import ENCODER_GRAPH
from audiocodec.runtime.graph import Graph, GraphState

SUFFIXES = {".flac", ".wav", ".opus", ".ogg", ".mp3"}
BATCH, MOST_FRAMES, MOST_PIECE = 4, 1280, 40
WAYS = ("whole", "pieces", "batch")


def groups(folders: list[Path], rate: int, part: int, parts: int) -> Iterator[list[np.ndarray]]:
    """Waveforms (time,), four at a time; unreadable files are named on stderr."""
    paths = sorted(p for f in folders for p in f.rglob("*") if p.suffix.lower() in SUFFIXES)
    waiting: list[np.ndarray] = []
    for path in paths[part::parts]:
        try:
            waiting.append(read_waveform(path, rate)[0])
        except AudioError as error:
            print(error, file=sys.stderr)
        if len(waiting) == BATCH:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


class Graphs:
    """The encoder's graph, run in one of the ways."""

    def __init__(self, folder: Path, hop: int) -> None:
        self.graph, self.hop = Graph(folder / ENCODER_GRAPH), hop
        self.random, self.recomputed = np.random.default_rng(0), 0

    def _run(self, x: np.ndarray, state: GraphState, threads: int) -> np.ndarray:
        wanted = ["codes", "recomputed", "next_state"]
        values = self.graph.outputs("waveform", x, wanted, state.rows, threads)
        state.rows = values["next_state"]
        self.recomputed += int(values["recomputed"])
        return values["codes"]

    def _stream(self, x: np.ndarray, most: int, least: int, threads: int = 1) -> np.ndarray:
        state, parts, start = GraphState(), [], 0
        while start < x.shape[-1]:
            stop = start + self.hop * int(self.random.integers(least, most + 1))
            parts.append(self._run(x[..., start:stop], state, threads))
            start = stop
        return np.concatenate(parts, axis=-1)

    def codes(self, rows: list[np.ndarray], way: str) -> list[np.ndarray]:
        """Of each row (num_quantizers, frames)."""
        frames = [-(-len(row) // self.hop) for row in rows]
        whole = [np.zeros((1, 1, n * self.hop), np.float32) for n in frames]
        for padded, row in zip(whole, rows, strict=True):
            padded[0, 0, : len(row)] = row
        if way == "batch":
            most = max(frames) * self.hop
            joined = [np.pad(x, [(0, 0), (0, 0), (0, most - x.shape[-1])]) for x in whole]
            block = MOST_FRAMES // len(rows)
            found = self._stream(np.concatenate(joined), block, block, threads=2)
            return [codes[:, :n] for codes, n in zip(found, frames, strict=True)]
        least, most = (MOST_FRAMES, MOST_FRAMES) if way == "whole" else (1, MOST_PIECE)
        return [self._stream(x, most, least)[0] for x in whole]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of sound files")
    parser.add_argument("--model", default="speech_24k")
    parser.add_argument("--output", type=Path, help="write the JSON here, too")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), metavar=("K", "N"))
    parser.add_argument("--float32", action="store_true", help="count what float32 gets wrong")
    args = parser.parse_args()
    torch.set_num_threads(1)
    codec = load_codec(args.model)
    assert codec.folder is not None
    graphs = Graphs(codec.folder, codec.hop_length)
    counts: dict[str, Any] = {way: {"codes": 0, "differ": 0} for way in WAYS}
    hours = frames = wrong = 0.0
    last = time.monotonic()
    for index, rows in enumerate(groups(args.folders, codec.sample_rate, *args.part)):
        way = WAYS[index % len(WAYS)]
        expected = [codec.encode(row).numpy() for row in rows]
        for row, own, found in zip(rows, expected, graphs.codes(rows, way), strict=True):
            counts[way]["codes"] += own.size
            counts[way]["differ"] += int((own != found).sum())
            hours += len(row) / codec.sample_rate / 3600
            frames += own.shape[1]
            if args.float32:
                wrong += int((own != _float32(codec, row)).sum())
        if time.monotonic() - last > 30:
            last = time.monotonic()
            _report(args, codec, graphs, counts, hours, frames, wrong)
    print(_report(args, codec, graphs, counts, hours, frames, wrong))


@torch.inference_mode()
def _float32(codec: Any, row: np.ndarray) -> np.ndarray:
    frames = -(-len(row) // codec.hop_length)
    x = torch.from_numpy(np.pad(row, (0, frames * codec.hop_length - len(row))))
    codes: np.ndarray = codec.quantizer.encode(codec.encoder(x[None, None]))[0].numpy()
    return codes


def _report(
    args: Any, codec: Any, graphs: Graphs, counts: Any, hours: float, frames: float, wrong: float
) -> str:
    report = {
        "model": codec.name,
        "weight_hash": codec.weight_hash,
        "margin": graphs.graph.value("margin") if graphs.graph.metadata["margin"] else None,
        "hours": round(hours, 3),
        "differing_codes": sum(way["differ"] for way in counts.values()),
        "codes": sum(way["codes"] for way in counts.values()),
        "by_way": counts,
        "recomputed_share": round(graphs.recomputed / max(frames, 1), 5),
        **({"float32_differs": int(wrong)} if args.float32 else {}),
        "environment": environment(),
    }
    text = json.dumps(report, indent=1)
    if args.output:
        args.output.write_text(text + "\n")
    return text


if __name__ == "__main__":
    main()
