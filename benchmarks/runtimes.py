"""What do PyTorch and the graphs cost: to start, for whole files, for a block of a stream?

Prints JSON. One thread, one model, one recording; the runtimes take turns, and medians of REPEATS
are shown. All times are the processor's, which other work on the machine moves little. `start` is a
process of its own that encodes one short file.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.audio import read_waveform, write_waveform
from audiocodec.data.samples import demo_speech
from audiocodec.environment import environment
from audiocodec.models.base import AnyCodec
from audiocodec.models.bundle import load_codec
from audiocodec.models.folders import RUNTIMES
from audiocodec.models.streaming import StreamDecoder, StreamEncoder

SECONDS, REPEATS = 5, 3
BLOCKS = (1, 4, 16, 64)  # frames
Figures = dict[str, float]


def main() -> None:
    codecs = {name: load_codec(runtime=name) for name in RUNTIMES}
    codec = codecs["onnx"]
    recording = read_waveform(demo_speech()[1], codec.sample_rate)[0]
    waveform = np.resize(recording, SECONDS * codec.sample_rate)
    codes = codec.encode_array(waveform)
    report: dict[str, Any] = {
        "model": codec.name,
        "audio_seconds": SECONDS,
        "frame_ms": 1000 / codec.frame_rate,
        "latency_ms": 1000 * (codec.latency_samples or 0) / codec.sample_rate,
        "codes_that_differ": int((codecs["torch"].encode_array(waveform) != codes).sum()),
        "start_seconds": start_up(recording[: 2 * codec.sample_rate], codec.sample_rate),
        "times_real_time": in_turns(codecs, lambda own: whole(own, waveform, codes)),
        "stream_ms_a_block": {
            f"{frames} frames": in_turns(codecs, lambda own, n=frames: streamed(own, waveform, n))
            for frames in BLOCKS
        },
    }
    print(json.dumps(report | {"environment": environment()}, indent=2))


def in_turns(
    codecs: dict[str, AnyCodec], measure: Callable[[AnyCodec], Figures]
) -> dict[str, Figures]:
    """Medians of each runtime's figures."""
    rounds = [{name: measure(codec) for name, codec in codecs.items()} for _ in range(REPEATS)]
    return {
        name: {key: statistics.median(own[name][key] for own in rounds) for key in rounds[0][name]}
        for name in codecs
    }


def whole(codec: AnyCodec, waveform: np.ndarray, codes: np.ndarray) -> Figures:
    """Times real time."""
    with codec.threads(1):
        encode = processor_seconds(lambda: codec.encode_array(waveform))
        decode = processor_seconds(lambda: codec.decode_array(codes))
    return {"encode": SECONDS / encode, "decode": SECONDS / decode}


def streamed(codec: AnyCodec, waveform: np.ndarray, frames: int) -> Figures:
    """Milliseconds for a block of a stream, after the first one."""
    size, count = frames * codec.hop_length, min(20, len(waveform) // (frames * codec.hop_length))
    blocks = np.split(waveform[: size * count], count)
    encoder, decoder = StreamEncoder(codec), StreamDecoder(codec)
    with codec.threads(1):
        codes = [encoder.push(blocks[0])]
        encode = processor_seconds(lambda: codes.extend(map(encoder.push, blocks[1:])))
        decoder.push(codes[0])
        decode = processor_seconds(lambda: [decoder.push(own) for own in codes[1:]])
    return {"encode": 1000 * encode / (count - 1), "decode": 1000 * decode / (count - 1)}


def processor_seconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def start_up(waveform: np.ndarray, rate: int) -> dict[str, float]:
    """Of `codec encode` on a short file, in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "x.wav"
        write_waveform(source, waveform, rate)
        command = [sys.executable, "-m", "audiocodec", "encode", str(source), f"{folder}/x.npy"]
        times: dict[str, list[float]] = {name: [] for name in RUNTIMES}
        for _ in range(REPEATS):
            for name, own in times.items():
                own.append(child([*command, "--threads", "1", "--runtime", name]))
    return {name: statistics.median(own) for name, own in times.items()}


def child(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
