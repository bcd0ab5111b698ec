"""Data directories for the embedded model from a folder of audio with a manifest of licences.

    python local/prepare.py --corpus CORPUS --output data

CORPUS holds `manifest.tsv` (columns path, source, speaker, licence, and native_sr if files are
stored at a higher rate than they were recorded at) and the audio it lists. Only recordings whose
licence allows any use (public domain, CC0, CC-BY, free for commercial use) are taken. One source,
of one speaker, and two speakers of another are held out for validation. Audio is decoded once to
16-bit WAV, where random crops are cheap to read, of at most 24 kHz: that of a lower rate keeps it,
by which training knows how far up to listen.
"""

import argparse
import csv
import re
from pathlib import Path

from joblib import Parallel, delayed
from tqdm import tqdm

from audiocodec.audio import audio_info, read_waveform, write_waveform
from audiocodec.data.data_dir import Utterance, write_data_dir

FREE = re.compile(r"public domain|CC0|CC-BY-3|CC-BY-4|Apache|free, commercial|Jenny", re.IGNORECASE)
SPLITS = ("train", "train16")
VALIDATION = ("pmdc/", "speechocean762/0024", "speechocean762/0036")
VALIDATION_UTTERANCES = 24
SAMPLE_RATE = 24_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--jobs", type=int, default=2)
    args = parser.parse_args()
    with open(args.corpus / "manifest.tsv", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if wanted(row)]
    tasks = (delayed(convert)(row, args.corpus, args.output / "wav") for row in rows)
    work = Parallel(args.jobs, return_as="generator")(tasks)
    utterances = list(tqdm(work, total=len(rows), desc="decode", unit="file", disable=None))
    held_out = [u for u, row in zip(utterances, rows, strict=True) if is_validation(row)]
    kept = [u for u, row in zip(utterances, rows, strict=True) if not is_validation(row)]
    write_data_dir(args.output / "train", kept)
    step = max(1, len(held_out) // VALIDATION_UTTERANCES)
    write_data_dir(args.output / "valid", held_out[::step][:VALIDATION_UTTERANCES])


def wanted(row: dict[str, str]) -> bool:
    return row["path"].split("/")[0] in SPLITS and bool(FREE.search(row["licence"]))


def is_validation(row: dict[str, str]) -> bool:
    return row["path"].split("/", 1)[1].startswith(VALIDATION)


def convert(row: dict[str, str], corpus: Path, folder: Path) -> Utterance:
    target = folder / Path(row["path"]).with_suffix(".wav")
    source = corpus / row["path"]
    native = int(row.get("native_sr") or audio_info(source).sample_rate)  # before any lossy coding
    rate = min(SAMPLE_RATE, native)
    if not target.exists():
        write_waveform(target, read_waveform(source, rate), rate)
    speaker = "-".join((row["source"], row["speaker"])).replace(" ", "_")
    identifier = f"{speaker}-{target.stem}".replace(" ", "_")
    samples = audio_info(target).num_samples
    return Utterance(identifier, target.resolve(), speaker, samples, rate)


if __name__ == "__main__":
    main()
