"""How much smaller are entropy coded files, and what do they cost in time?

    python benchmarks/entropy.py [FOLDER]

Encodes the audio of FOLDER (default: the shipped samples) with the shipped model and writes each
file's codes with and without its tables, in memory. Times are processor time of one thread. JSON.
"""

import io
import json
import sys
import time
from pathlib import Path

from audiocodec.audio import AUDIO_SUFFIXES
from audiocodec.cli.samples import shipped_speech
from audiocodec.containers import packed
from audiocodec.containers.tables import read_tables
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
    plain_bytes = small_bytes = codes = frames = 0
    writing = reading = 0.0
    for path in files:
        (coded,) = coder.encode([coder.read(path)])
        plain, small = io.BytesIO(), io.BytesIO()
        packed.write(plain, coded.codes, coded.metadata)
        start = time.process_time()
        packed.write(small, coded.codes, coded.metadata, tables)
        written = time.process_time()
        small.seek(0)
        back, _ = packed.read(small.read(len(packed.MAGIC)), small, tables)
        reading += time.process_time() - written
        writing += written - start
        assert (back == coded.codes).all()
        codes, frames = codes + coded.codes.size, frames + coded.codes.shape[-1]
        plain_bytes += plain.tell()
        small_bytes += len(small.getvalue())
    seconds = frames / coder.codec.frame_rate
    report = {
        "files": len(files),
        "audio_seconds": seconds,
        "nominal_bitrate": coder.codec.bitrate(),
        "bit_packed_bitrate": 8 * plain_bytes / seconds,
        "entropy_coded_bitrate": 8 * small_bytes / seconds,
        "size_ratio": small_bytes / plain_bytes,
        "codes_per_second": {"write": codes / writing, "read": codes / reading},
        "times_real_time": {"write": seconds / writing, "read": seconds / reading},
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
