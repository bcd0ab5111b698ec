"""What the gain and the exponent of the noise that the decoder adds are worth, at each rate.

    python local/postfilter.py exp/speech_24k data/valid --num-quantizers 8 4

Decodes the utterances of a data directory with each setting of the harmonic head and prints the
means as a Markdown table. `codec model export --set decoder.head.noise_exponent=4` keeps one.
"""

import argparse
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from audiocodec.audio import read_audio
from audiocodec.data.data_dir import Utterance, read_data_dir
from audiocodec.evaluation.metrics import select, with_installed
from audiocodec.evaluation.scoring import score_signals
from audiocodec.models.bundle import load_codec

METRICS = ("pesq_wb", "stoi", "harmonic_correlation", "tonal_lines", "mel_distance", "dnsmos")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("model")
    parser.add_argument("data", type=Path)
    parser.add_argument("--gains", type=float, nargs="+", default=[0.5, 0.7, 1.0])
    parser.add_argument("--exponents", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--num-quantizers", type=int, nargs="+", default=[None])
    parser.add_argument("--utterances", type=int, default=16)
    args = parser.parse_args()
    torch.set_num_threads(1)
    codec = load_codec(args.model, runtime="torch")
    head = codec.decoder.head
    table, _ = select(METRICS, with_installed({}))
    utterances = read_data_dir(args.data)
    utterances = utterances[:: max(1, len(utterances) // args.utterances)][: args.utterances]
    originals = [waveform(utterance, codec.sample_rate) for utterance in utterances]
    print(f"| quantizers | gain | exponent | {' | '.join(table)} |")
    print("|---|---|---|" + "---|" * len(table))
    for stages in args.num_quantizers:
        coded = [(x, codec.encode(x, num_quantizers=stages)) for x in originals]
        for gain, exponent in product(args.gains, args.exponents):
            head.config = replace(head.config, noise_gain=gain, noise_exponent=exponent)
            rows = []
            for original, codes in tqdm(coded, disable=None):
                decoded = codec.decode(codes, num_samples=len(original)).numpy()
                scores, _ = score_signals(original.numpy(), decoded, codec.sample_rate, table)
                rows.append([scores.get(name, np.nan) for name in table])
            means = " | ".join(f"{mean:.3f}" for mean in np.nanmean(rows, axis=0))
            print(f"| {stages or 'all'} | {gain:g} | {exponent:g} | {means} |", flush=True)


def waveform(utterance: Utterance, rate: int) -> torch.Tensor:
    length = utterance.read_samples
    audio = read_audio(utterance.source, rate, start=utterance.start, num_samples=length)
    return torch.from_numpy(audio.waveform[0])


if __name__ == "__main__":
    main()
