"""What does decoding in integers of 8 bits gain, and what does it cost? Prints JSON.

python benchmarks/int8.py SPEECH        # a folder of sound files, of which FILES are taken

One thread; both decoders decode each file in turn, and times are the processor's.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.audio import AUDIO_SUFFIXES, read_waveform
from audiocodec.environment import environment
from audiocodec.evaluation.metrics.intelligibility import stoi
from audiocodec.evaluation.metrics.pesq import pesq_wb
from audiocodec.models.base import AnyCodec
from audiocodec.models.bundle import load_codec

FILES, SECONDS, REPEATS = 13, 8, 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="speech_24k")
    args = parser.parse_args()
    paths = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
    codecs = {name: load_codec(args.model, runtime=name) for name in ("onnx", "onnx-int8")}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in codecs}
    rate = codecs["onnx"].sample_rate
    for path in paths[:: max(1, len(paths) // FILES)][:FILES]:
        waveform = read_waveform(path, rate)[0][: SECONDS * rate]
        for name, codec in codecs.items():
            found[name].append(measure(codec, waveform))
    report = {
        "model": codecs["onnx"].name,
        "weight_hash": codecs["onnx"].weight_hash,
        "files": len(found["onnx"]),
        "rows": [{"decoder": name, **summary(own, found["onnx"])} for name, own in found.items()],
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


def measure(codec: AnyCodec, waveform: np.ndarray) -> dict[str, float]:
    """Seconds of decoding a second, and scores."""
    rate, times = codec.sample_rate, []
    with codec.threads(1):
        codes = codec.encode_array(waveform)
        for _ in range(1 + REPEATS):
            start = time.process_time()
            decoded = codec.decode_array(codes, len(waveform))
            times.append(time.process_time() - start)
    seconds = float(np.median(times[1:])) / (len(waveform) / rate)
    scores = {"PESQ": pesq_wb(waveform, decoded, rate), "STOI": stoi(waveform, decoded, rate)}
    return {"seconds": seconds, **scores}


def summary(own: list[dict[str, float]], exact: list[dict[str, float]]) -> dict[str, Any]:
    """Means, and how they compare with the exact decoder's."""
    speed = [b["seconds"] / a["seconds"] for a, b in zip(own, exact, strict=True)]
    worst = min(a["PESQ"] - b["PESQ"] for a, b in zip(own, exact, strict=True))
    return {
        "times real time": 1 / float(np.mean([one["seconds"] for one in own])),
        "faster by": float(np.median(speed)),
        "PESQ": float(np.mean([one["PESQ"] for one in own])),
        "STOI": float(np.mean([one["STOI"] for one in own])),
        "most PESQ lost in a file": -worst,
    }


if __name__ == "__main__":
    main()
