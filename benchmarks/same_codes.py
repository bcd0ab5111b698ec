"""Are codes the same whatever computes them, however a signal is cut? Prints JSON.

python benchmarks/same_codes.py SPEECH --work DIR --jobs 2 --output docs/benchmarks/same_codes.json

The truth is PyTorch in float64 in blocks of 512 frames. The graphs encode every file as they do by
default. Of every sixteen groups of four files, each runtime encodes one in pieces of random length
and one as a batch on two threads, PyTorch one in its own blocks; and both decode one file. Every
finished part is kept in DIR: run the command again to go on, --report shows what there is.
"""

import argparse
import json
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from audiocodec.audio import AUDIO_SUFFIXES, read_waveform
from audiocodec.environment import environment
from audiocodec.errors import AudioError
from audiocodec.journal import Journal
from audiocodec.models.base import BLOCK_FRAMES
from audiocodec.models.bundle import load_codec
from audiocodec.models.folders import ENCODER_GRAPH
from audiocodec.models.streaming import StreamEncoder
from audiocodec.modules.streaming import StreamState
from audiocodec.runtime.graph import Graph, GraphState

BATCH, EVERY, PARTS = 4, 16, 100
TRUTH_FRAMES, MOST_PIECE = 512, 40  # frames at once


class Check:
    """Both runtimes of a model, and what has been counted."""

    def __init__(self, model: str) -> None:
        self.codec = load_codec(model, runtime="torch")
        self.other = load_codec(model, runtime="onnx")
        self.graph = Graph(Path(str(self.other.folder)) / ENCODER_GRAPH)
        self.random = np.random.default_rng(0)

    @torch.inference_mode()
    def truth(self, row: np.ndarray) -> np.ndarray:
        """(num_quantizers, frames)."""
        encoder, quantizer = self.codec.exact_encoder()
        hop, state, codes = self.codec.hop_length, StreamState(), []
        whole = np.pad(row, (0, -len(row) % hop)).astype(np.float64)
        for piece in torch.from_numpy(whole)[None, None].split(TRUTH_FRAMES * hop, dim=2):
            codes.append(quantizer.encode(encoder(piece, state), self.codec.num_quantizers))
        found: np.ndarray = torch.cat(codes, dim=2)[0].numpy()
        return found

    def graph_whole(self, row: np.ndarray) -> tuple[np.ndarray, int]:
        """As GraphCodec does, and how many frames were computed again."""
        hop, state, codes, again = self.codec.hop_length, GraphState(), [], 0
        whole, block = np.pad(row, (0, -len(row) % hop))[None, None], BLOCK_FRAMES * hop
        for start in range(0, whole.shape[2], block):
            piece, wanted = whole[..., start : start + block], ["codes", "recomputed", "next_state"]
            values = self.graph.outputs("waveform", piece, wanted, state.rows, 1)
            state.rows = values["next_state"]
            codes.append(values["codes"])
            again += int(values["recomputed"])
        return np.concatenate(codes, axis=2)[0], again

    def pieces(self, codec: Any, row: np.ndarray) -> np.ndarray:
        """As a stream in pieces of random length."""
        stream, codes, start = StreamEncoder(codec), [], 0
        while start < len(row):
            stop = start + int(self.random.integers(1, MOST_PIECE * codec.hop_length))
            codes.append(np.asarray(stream.push(row[start:stop])))
            start = stop
        return np.concatenate([*codes, np.asarray(stream.flush())], axis=1)

    def batch(self, codec: Any, rows: list[np.ndarray]) -> list[np.ndarray]:
        """As rows of one batch, on two threads."""
        lengths = np.array([len(row) for row in rows])
        together = np.stack([np.pad(row, (0, lengths.max() - len(row))) for row in rows])
        with codec.threads(2):
            codes = codec.encode_array(together, num_samples=lengths)
        frames = -(-lengths // codec.hop_length)
        return [own[:, :count] for own, count in zip(codes, frames, strict=True)]

    def count(self, rows: list[np.ndarray], number: int) -> Counter[str]:
        """Codes and differing ones of each way, and what else adds up."""
        counts: Counter[str] = Counter()
        truths = [self.truth(row) for row in rows]

        def compare(way: str, found: list[np.ndarray]) -> None:
            for own, other in zip(truths, found, strict=True):
                counts[f"{way}: codes"] += own.size
                counts[f"{way}: differ"] += int((own != other).sum())

        whole = [self.graph_whole(row) for row in rows]
        compare("onnx, whole", [codes for codes, _ in whole])
        if number % EVERY == 5:
            compare("torch, whole", [self.codec.encode_array(row) for row in rows])
        for offset, (name, codec) in enumerate((("onnx", self.other), ("torch", self.codec))):
            if number % EVERY == offset:
                compare(f"{name}, pieces", [self.pieces(codec, row) for row in rows])
            if number % EVERY == 2 + offset:
                compare(f"{name}, batch", self.batch(codec, rows))
        counts["frames"] = sum(own.shape[1] for own in truths)
        counts["recomputed"] = sum(again for _, again in whole)
        counts["samples"] = sum(map(len, rows))
        return counts

    def decoded(self, row: np.ndarray) -> dict[str, float]:
        """How far the waveforms of both runtimes are apart."""
        codes = self.truth(row)
        apart = self.codec.decode_array(codes) - self.other.decode_array(codes)
        return {
            "largest": float(np.abs(apart).max()),
            "squares": float(np.square(apart, dtype=np.float64).sum()),
            "samples": apart.size,
        }


@cache
def check(model: str) -> Check:
    """One a process."""
    torch.set_num_threads(1)
    return Check(model)


def groups(paths: list[Path], rate: int) -> Iterator[list[np.ndarray]]:
    """The waveforms, BATCH at a time; files that cannot be read are named on stderr."""
    rows: list[np.ndarray] = []
    for path in paths:
        try:
            rows.append(read_waveform(path, rate)[0])
        except AudioError as error:
            print(error, file=sys.stderr)
        if len(rows) == BATCH or (rows and path == paths[-1]):
            yield rows
            rows = []


class Part(NamedTuple):
    """Some files; `number` of the first group of them."""

    key: str
    number: int
    paths: list[Path]


def measure(model: str, part: Part) -> tuple[str, dict[str, Any]]:
    """What is found in the files of one part."""
    key, first, paths = part
    own, counts, apart = check(model), Counter[str](), []
    with own.codec.threads(1), own.other.threads(1):
        for number, rows in enumerate(groups(paths, own.codec.sample_rate), first):
            counts += own.count(rows, number)
            if number % EVERY == 4:
                apart.append(own.decoded(rows[0]))
    return key, {"counts": dict(counts), "decoded": apart}


def results(model: str, parts: list[Part], jobs: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Of each part, as soon as it is done."""
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(partial(measure, model), parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, help="folders of sound files")
    parser.add_argument("--model", default="speech_24k")
    parser.add_argument("--work", type=Path, required=True, help="folder for finished parts")
    parser.add_argument("--jobs", type=int, default=1, help="processes of one thread each")
    parser.add_argument("--output", type=Path, help="write the JSON here, too")
    parser.add_argument("--report", action="store_true", help="compute nothing more")
    args = parser.parse_args()
    graph = Graph(Path(str(load_codec(args.model, runtime="onnx").folder)) / ENCODER_GRAPH)
    facts = graph.metadata
    paths = sorted(
        p for f in args.folders for p in f.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES
    )
    name = f"{facts['weight_hash']} {facts['graph_checksum']} {len(paths)} files"
    parts = [Part(f"{name}, part {k} of {PARTS}", k, paths[k::PARTS]) for k in range(PARTS)]
    with Journal(args.work / "same_codes.jsonl") as journal:
        waiting = [] if args.report else [part for part in parts if part.key not in journal]
        for key, result in results(args.model, waiting, args.jobs):
            journal.add(key, result)
            print(key, file=sys.stderr)
        found = [journal[part.key] for part in parts if part.key in journal]
    text = json.dumps(report(graph, found, len(paths)), indent=2)
    if args.output:
        args.output.write_text(text + "\n", encoding="utf-8")
    print(text)


def report(graph: Graph, found: list[dict[str, Any]], files: int) -> dict[str, Any]:
    """All parts together."""
    total = sum((Counter(part["counts"]) for part in found), Counter[str]())
    ways = sorted({key.partition(":")[0] for key in total if key.endswith(": codes")})
    decoded = [one for part in found for one in part["decoded"]]
    samples = sum(one["samples"] for one in decoded)
    return {
        "model": graph.metadata["name"],
        "weight_hash": graph.metadata["weight_hash"],
        "margin": graph.value("margin"),
        "parts": f"{len(found)} of {PARTS}",
        "files_of_all_parts": files,
        "hours": total["samples"] / int(graph.metadata["sample_rate"]) / 3600,
        "recomputed_share": total["recomputed"] / total["frames"],
        "ways": [
            {"way": w, "codes": total[f"{w}: codes"], "differ": total[f"{w}: differ"]} for w in ways
        ],
        "waveforms_of_both_runtimes_apart": {
            "files": len(decoded),
            "largest": max(one["largest"] for one in decoded),
            "rms": (sum(one["squares"] for one in decoded) / samples) ** 0.5,
        },
        "environment": environment(),
    }


if __name__ == "__main__":
    main()
