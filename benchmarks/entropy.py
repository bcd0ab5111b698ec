"""How much smaller are entropy coded files, and what do they cost in time?

    python benchmarks/entropy.py [FOLDER]

Encodes the audio of FOLDER (default: the shipped samples) with the shipped model and writes each
file's codes with and without its tables, in memory. Times are processor time of one thread, with
all stages, after the coder has been compiled. JSON.
"""

import dataclasses
import io
import json
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.codes import CodesMetadata
from audiocodec.containers import packed
from audiocodec.data.samples import shipped_speech
from audiocodec.entropy.model import EntropyTables, read_tables
from audiocodec.environment import environment
from audiocodec.models.bundle import load_codec
from audiocodec.models.folders import DEFAULT_MODEL, model_folder
from audiocodec.models.transcoder import Transcoder


def main() -> None:
    files = shipped_speech()
    if sys.argv[1:]:
        folder = Path(sys.argv[1])
        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in AUDIO_SUFFIXES)
    coder, tables = Transcoder(load_codec()), read_tables(model_folder(DEFAULT_MODEL))
    counts = [2**i for i in range(9) if 2**i <= coder.codec.num_quantizers]
    plain, small = Counter[int](), Counter[int]()  # bytes by stages
    compile_and_forget(coder, tables)
    codes, frames, writing, reading = 0, 0, 0.0, 0.0
    for path in files:
        (coded,) = coder.encode([coder.read(path)])
        for stages in counts:
            sizes = coded.metadata.codebook_sizes[:stages]
            metadata = dataclasses.replace(coded.metadata, codebook_sizes=sizes)
            plain[stages] += len(written(coded.codes[:stages], metadata, None))
            start = time.process_time()
            data = written(coded.codes[:stages], metadata, tables)
            writing_time, start = time.process_time() - start, time.process_time()
            back, _ = packed.read(data[:8], io.BytesIO(data[8:]), tables)
            reading_time = time.process_time() - start
            assert (back == coded.codes[:stages]).all()
            small[stages] += len(data)
        codes, frames = codes + coded.codes.size, frames + coded.codes.shape[-1]
        writing, reading = writing + writing_time, reading + reading_time
    seconds = frames / coder.codec.frame_rate
    report = {
        "files": len(files),
        "audio_seconds": seconds,
        "by_num_quantizers": {
            stages: {
                "nominal_bitrate": coder.codec.bitrate(stages),
                "bit_packed_bitrate": 8 * plain[stages] / seconds,
                "entropy_coded_bitrate": 8 * small[stages] / seconds,
                "size_ratio": small[stages] / plain[stages],
            }
            for stages in counts
        },
        "codes_per_second": {"write": codes / writing, "read": codes / reading},
        "times_real_time": {"write": seconds / writing, "read": seconds / reading},
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


def written(codes: np.ndarray, metadata: CodesMetadata, tables: EntropyTables | None) -> bytes:
    file = io.BytesIO()
    packed.write(file, codes, metadata, tables)
    return file.getvalue()


def compile_and_forget(coder: Transcoder, tables: EntropyTables) -> None:
    (coded,) = coder.encode([coder.read(shipped_speech()[0])])
    data = written(*coded, tables)
    packed.read(data[:8], io.BytesIO(data[8:]), tables)


if __name__ == "__main__":
    main()
