"""Speech in a few megabytes, to be carried to another machine, and data directories from it there.

    python local/pack.py pack --data data --output PACK --megabytes 30 --kbps 16
    python local/pack.py unpack --pack PACK --output data

Ogg Opus by libsndfile. Utterances are taken in an order that hangs on their names alone until the
megabytes are full. Unpacked they have the rates and lengths that they had, so that training knows
how far up to listen, and a run knows its data again if all of it fitted.
"""

import argparse
import csv
import hashlib
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from joblib import Parallel, delayed

from audiocodec.audio import read_waveform, resample, write_waveform
from audiocodec.data.data_dir import Utterance, read_data_dir, write_data_dir
from audiocodec.errors import DataError

OPUS_RATES = (8_000, 12_000, 16_000, 24_000)
RATE = 24_000  # of what has another rate
LOWEST, HIGHEST = 6_000, 256_000  # bits/s between which libsndfile's compression level leads
VALID = 4  # utterances to validate on: the scores are taken at home
ARCHIVE, TABLE = "audio.tar", "utterances.tsv"


@dataclass(frozen=True)
class Packed:
    """An utterance of `split`; its audio is `NUMBER.opus` in the archive."""

    number: int
    split: str
    id: str
    speaker: str
    num_samples: int
    sample_rate: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(required=True)
    packing = commands.add_parser("pack")
    packing.add_argument("--data", type=Path, required=True, help="has train and valid")
    packing.add_argument("--output", type=Path, required=True)
    packing.add_argument("--megabytes", type=float, required=True)
    packing.add_argument("--kbps", type=float, default=16)
    packing.set_defaults(run=pack)
    unpacking = commands.add_parser("unpack")
    unpacking.add_argument("--pack", type=Path, required=True)
    unpacking.add_argument("--output", type=Path, required=True)
    unpacking.add_argument("--jobs", type=int, default=2)
    unpacking.set_defaults(run=unpack)
    args = parser.parse_args()
    args.run(args)


def pack(args: argparse.Namespace) -> None:
    """Write the archive and its table; say how much of the speech fitted."""
    args.output.mkdir(parents=True, exist_ok=True)
    train = sorted(read_data_dir(args.data / "train"), key=_shuffled)
    valid = read_data_dir(args.data / "valid")[:VALID]
    todo = [("valid", u) for u in valid] + [("train", u) for u in train]
    rows: list[Packed] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        tarfile.open(args.output / ARCHIVE, "w") as archive,
    ):
        for number, (split, utterance) in enumerate(todo):
            audio = Path(folder) / f"{number}.opus"
            rate, samples = _write_opus(utterance, audio, args.kbps)
            blocks = 512 + -(-audio.stat().st_size // 512) * 512  # of a tar archive
            if archive.offset + blocks > args.megabytes * 1e6:
                break
            archive.add(audio, audio.name)
            rows.append(Packed(number, split, utterance.id, utterance.speaker or "", samples, rate))
            audio.unlink()
    if not any(row.split == "train" for row in rows):
        raise SystemExit(f"pack.py: error: no training speech fits into {args.megabytes} MB")
    with open(args.output / TABLE, "w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter="\t").writerows(vars(row).values() for row in rows)
    hours = sum(row.num_samples / row.sample_rate for row in rows) / 3600
    print(f"{len(rows)} of {len(todo)} utterances, {hours:.2f} h, in {args.output / ARCHIVE}")


def _shuffled(utterance: Utterance) -> str:
    return hashlib.sha256(utterance.id.encode()).hexdigest()


def _write_opus(utterance: Utterance, target: Path, kbps: float) -> tuple[int, int]:
    """Rate and samples of the source."""
    with soundfile.SoundFile(utterance.path) as file:
        native = file.samplerate
    waveform = read_waveform(utterance.path)[0]
    rate = native if native in OPUS_RATES else RATE
    level = 1 - (1000 * kbps - LOWEST) / (HIGHEST - LOWEST)
    soundfile.write(
        target, resample(waveform, native, rate), rate, format="OGG", subtype="OPUS",
        compression_level=min(max(level, 0.0), 1.0),
    )  # fmt: skip
    return native, len(waveform)


def unpack(args: argparse.Namespace) -> None:
    """Write WAV files and data directories."""
    with open(args.pack / TABLE, encoding="utf-8", newline="") as file:
        rows = [
            Packed(int(n), split, name, speaker, int(samples), int(rate))
            for n, split, name, speaker, samples, rate in csv.reader(file, delimiter="\t")
        ]
    if not rows:
        raise DataError(f"{args.pack / TABLE}: lists nothing")
    opus, wav = args.output / "opus", args.output / "wav"
    with tarfile.open(args.pack / ARCHIVE) as archive:
        archive.extractall(opus, filter="data")
    wav.mkdir(exist_ok=True)
    Parallel(args.jobs)(delayed(_write_wav)(row, opus, wav) for row in rows)
    for split in ("train", "valid"):
        write_data_dir(args.output / split, list(_utterances(rows, split, wav)))


def _write_wav(row: Packed, opus: Path, wav: Path) -> None:
    waveform, rate = soundfile.read(opus / f"{row.number}.opus", dtype="float32")
    signal = resample(waveform, rate, row.sample_rate)[: row.num_samples]
    padded = np.pad(signal, (0, row.num_samples - len(signal)))
    write_waveform(wav / f"{row.number}.wav", padded, row.sample_rate)


def _utterances(rows: list[Packed], split: str, wav: Path) -> Iterator[Utterance]:
    for row in sorted(rows, key=lambda row: row.id):
        if row.split == split:
            path = (wav / f"{row.number}.wav").resolve()
            yield Utterance(row.id, path, row.speaker, row.num_samples, row.sample_rate)


if __name__ == "__main__":
    main()
