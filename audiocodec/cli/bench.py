"""`codec bench`: how fast a model is on this machine."""

import argparse
from typing import TYPE_CHECKING, Any

import numpy as np

from audiocodec.audio import read_waveform
from audiocodec.cli.arguments import add_examples, add_model_arguments, load_model, positive
from audiocodec.cli.output import print_report
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import available_cores, environment

if TYPE_CHECKING:
    from audiocodec.models.codec import Codec


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec bench`."""
    add_model_arguments(parser)
    parser.add_argument("--audio", metavar="FILE", help="default: a shipped utterance")
    parser.add_argument(
        "--threads",
        type=positive,
        nargs="+",
        metavar="N",
        help="numbers of CPU threads to measure with (default: 1 and all cores)",
    )
    parser.add_argument(
        "--repeats", type=positive, default=5, metavar="N", help="the median of N runs counts"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_examples(
        parser, "codec bench --threads 1 4", "codec bench --model exp/model --device cuda --json"
    )


def run(args: argparse.Namespace) -> None:
    """Measure on one file, after a warm-up."""
    from audiocodec.models.cost import macs_per_second, num_parameters

    codec = load_model(args)
    audio = args.audio or shipped_speech()[0]
    waveform = read_waveform(audio, codec.sample_rate)[0]
    macs = macs_per_second(codec)
    report: dict[str, Any] = {
        "model": codec.name,
        "hash": codec.weight_hash,
        "parameters": num_parameters(codec),
        "audio": str(audio),
        "audio_seconds": len(waveform) / codec.sample_rate,
        "device": args.device,
        "repeats": args.repeats,
        "times_real_time": {
            f"{threads} threads": _speed(codec, waveform, threads, args.repeats)
            for threads in args.threads or sorted({1, available_cores()})
        },
        "gmacs_per_second_of_audio": {"encode": macs.encode / 1e9, "decode": macs.decode / 1e9},
        "environment": environment(),
    }
    print_report(report, args.json)


def _speed(codec: "Codec", waveform: np.ndarray, threads: int, repeats: int) -> dict[str, float]:
    import torch

    from audiocodec.models.cost import times_real_time

    with codec.threads(threads):
        speed = times_real_time(codec, torch.from_numpy(waveform), repeats)
    both = 1 / (1 / speed.encode + 1 / speed.decode)
    return {"encode": speed.encode, "decode": speed.decode, "encode_and_decode": both}
