"""What does a beam search gain at each bitrate, and what does it cost? Prints JSON.

python benchmarks/beams.py SPEECH       # a folder of sound files

The files are scored in several processes; encoders run on one thread, and times are the
processor's.
"""

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from audiocodec.audio import AUDIO_SUFFIXES, read_waveform
from audiocodec.environment import available_cores, environment
from audiocodec.evaluation.metrics import select, with_installed
from audiocodec.evaluation.scoring import score_signals
from audiocodec.models.bundle import load_codec

BEAMS, SECONDS = (1, 4, 16), 10
METRICS = ("pesq_wb", "stoi", "mel_distance", "harmonic_correlation")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="speech_24k")
    parser.add_argument("--num-quantizers", type=int, nargs="+", default=[8, 4, 2])
    parser.add_argument("--files", type=int, help="so many, evenly chosen (default: all)")
    parser.add_argument("--jobs", type=int, default=available_cores())
    args = parser.parse_args()
    paths = sorted(p for p in args.folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
    if args.files:
        paths = paths[:: max(1, len(paths) // args.files)][: args.files]
    work = partial(measure, args.model, args.num_quantizers)
    with ProcessPoolExecutor(args.jobs) as pool:
        found = list(tqdm(pool.map(work, paths), total=len(paths), disable=None))
    codec = load_codec(args.model, runtime="onnx")
    means = np.nanmean(found, axis=0)  # (stages, beams, values)
    names = [*METRICS, "encodes x real time"]
    means[..., -1] = 1 / means[..., -1]
    rows = [
        {"kbit/s": codec.bitrate(stages) / 1000, "beams": beams}
        | dict(zip(names, means[i, j].tolist(), strict=True))
        for i, stages in enumerate(args.num_quantizers)
        for j, beams in enumerate(BEAMS)
    ]
    about = {"model": codec.name, "weight_hash": codec.weight_hash, "files": len(paths)}
    print(json.dumps({**about, "rows": rows, "environment": environment()}, indent=2))


def measure(model: str, counts: list[int], path: Path) -> np.ndarray:
    """Of one file, (stages, beams, metrics and seconds of work a second)."""
    codec = load_codec(model, runtime="onnx")
    rate = codec.sample_rate
    waveform = read_waveform(path, rate)[0][: SECONDS * rate]
    table, _ = select(METRICS, with_installed({}))
    values = np.empty((len(counts), len(BEAMS), len(METRICS) + 1))
    for j, beams in enumerate(BEAMS):
        codec.use_beams(beams)
        with codec.threads(1):
            codec.encode_array(waveform[:rate])  # the session is made
            for i, stages in enumerate(counts):
                start = time.process_time()
                codes = codec.encode_array(waveform, num_quantizers=stages)
                work = (time.process_time() - start) / (len(waveform) / rate)
                decoded = codec.decode_array(codes, len(waveform))
                scores, _ = score_signals(waveform, decoded, rate, table)
                values[i, j] = [*(scores.get(name, np.nan) for name in METRICS), work]
    return values


if __name__ == "__main__":
    main()
