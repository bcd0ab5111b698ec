"""`codec bench`: how fast a model is on this machine, alone or beside other codecs."""

import argparse
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiocodec.audio import read_waveform
from audiocodec.cli.arguments import (
    add_examples,
    add_model_arguments,
    add_runtime_argument,
    load_model,
    positive,
)
from audiocodec.cli.output import print_report, print_table
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import available_cores, environment
from audiocodec.errors import CodecError, ConfigError, PartialFailure

if TYPE_CHECKING:
    from audiocodec.models.base import AnyCodec
    from audiocodec.peers.loading import OurOptions


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec bench`."""
    add_model_arguments(parser)
    add_runtime_argument(parser)
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
    parser.add_argument(
        "--against",
        metavar="A,B",
        help="measure other codecs in the same run, turn by turn: encodec, dac, snac, mimi, vocos",
    )
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        type=_name_and_folder,
        metavar="NAME=DIR",
        help="local weights of one of them (default: random ones, which are as fast)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_examples(
        parser,
        "codec bench --threads 1 4",
        "codec bench --runtime torch",
        "codec bench --model exp/model --device cuda --json",
        "codec bench --against encodec,mimi --threads 1",
    )


def run(args: argparse.Namespace) -> None:
    """Measure on one file, after a warm-up.

    Raises:
        PartialFailure: some of the other codecs could not be measured.
    """
    if args.against:
        _run_against(args)
        return
    if args.weights:
        raise ConfigError("--weights is for the codecs of --against; name a model with --model")
    codec = load_model(args)
    audio = args.audio or shipped_speech()[0]
    waveform = read_waveform(audio, codec.sample_rate)[0]
    costs = codec.costs()
    macs = costs.get("macs_per_second_of_audio", {})
    report: dict[str, Any] = {
        "model": codec.name,
        "hash": codec.weight_hash,
        "parameters": costs["parameters"]["total"],
        "audio": str(audio),
        "audio_seconds": len(waveform) / codec.sample_rate,
        "runtime": codec.runtime,
        "device": args.device,
        "repeats": args.repeats,
        "times_real_time": {
            f"{threads} threads": _speed(codec, waveform, threads, args.repeats)
            for threads in _threads(args)
        },
        "gmacs_per_second_of_audio": {
            half: macs[half] / 1e9 for half in ("encode", "decode") if half in macs
        },
        "environment": environment(),
    }
    print_report(report, args.json)


def _threads(args: argparse.Namespace) -> list[int]:
    return args.threads or sorted({1, available_cores()})


def _speed(codec: "AnyCodec", waveform: np.ndarray, threads: int, repeats: int) -> dict[str, float]:
    duration = len(waveform) / codec.sample_rate
    with codec.threads(threads):
        codes = codec.encode_array(waveform)
        encode = _median_seconds(lambda: codec.encode_array(waveform), repeats)
        decode = _median_seconds(lambda: codec.decode_array(codes), repeats)
    return {
        "encode": duration / encode,
        "decode": duration / decode,
        "encode_and_decode": duration / (encode + decode),
    }


def _median_seconds(call: Callable[[], object], repeats: int) -> float:
    seconds = []
    for _ in range(1 + repeats):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])  # the first one warms up


def _run_against(args: argparse.Namespace) -> None:
    from audiocodec.audio import audio_info
    from audiocodec.models.folders import DEFAULT_MODEL
    from audiocodec.peers.loading import Loader, PeerOptions, check_names
    from audiocodec.peers.speed import Comparison, as_rows

    names, weights = args.against.split(","), dict(args.weights)
    check_names([*names, *weights])
    if unused := weights.keys() - set(names):
        raise ConfigError(f"--weights {min(unused)}=...: {min(unused)} is not in --against")
    loaders: dict[str, Loader] = {**_ours(args.model or DEFAULT_MODEL, args.device, args.runtime)}
    ours = list(loaders)
    loaders |= {name: PeerOptions(name, weights.get(name), device=args.device) for name in names}
    audio = Path(args.audio or shipped_speech()[0])
    info = audio_info(audio)
    threads = _threads(args)
    comparison = Comparison(loaders, audio, args.device)
    comparison.describe(threads[0])
    for number in threads:
        comparison.time(number, args.repeats)
    for name in ours:
        if name in comparison.failures:
            raise CodecError(comparison.failures[name])
    reports = comparison.reports()
    about: dict[str, Any] = {
        "audio": str(audio),
        "audio_seconds": info.num_samples / info.sample_rate,
        "device": args.device,
        "repeats": args.repeats,
    }
    if args.json:
        weights_of = {name: str(weights.get(name, "random")) for name in names}
        for name in weights_of.keys() & reports.keys():
            reports[name]["weights"] = weights_of[name]
        about |= {"matrix_gmacs_per_second": comparison.matrix_rates, "ours": ours}
        about |= {"codecs": reports, "failures": comparison.failures}
        print_report(about | {"environment": environment()}, as_json=True)
    else:
        print_report(about, as_json=False)
        print_table(as_rows(reports, ours))
    for name, reason in comparison.failures.items():
        print(f"codec: {name}: {reason}", file=sys.stderr)
    if comparison.failures:
        raise PartialFailure(f"{len(comparison.failures)} of {len(names)} codecs not measured")


def _ours(model: str, device: str, runtime: str | None = None) -> "dict[str, OurOptions]":
    """The model by the runtime that is asked for, else by PyTorch and, where it has graphs, by
    onnxruntime.
    """
    from audiocodec.models.folders import DECODER_INT8_GRAPH, has_graphs, model_folder
    from audiocodec.peers.loading import OurOptions

    if runtime:
        return {f"{model} ({runtime})": OurOptions(model, device, runtime=runtime)}
    folder = model_folder(model)
    if not (has_graphs(folder) and device == "cpu" and importlib.util.find_spec("onnxruntime")):
        return {model: OurOptions(model, device)}
    int8 = ["onnx-int8"] if has_graphs(folder, DECODER_INT8_GRAPH) else []
    runtimes = ["onnx", *int8, "torch"]
    return {f"{model} ({runtime})": OurOptions(model, runtime=runtime) for runtime in runtimes}


def _name_and_folder(text: str) -> tuple[str, Path]:
    name, equals, folder = text.partition("=")
    if not (name and equals and folder):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=DIR")
    return name, Path(folder)
