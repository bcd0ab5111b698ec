"""`codec listen`: one page to hear recordings beside what a model makes of them."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.audio import AUDIO_SUFFIXES, AudioInfo, audio_info, read_waveform, resample
from audiocodec.cli.arguments import add_model_arguments, load_model, positive, set_threads
from audiocodec.errors import AudioError, ConfigError
from audiocodec.pipeline.paths import found

if TYPE_CHECKING:
    from audiocodec.evaluation.listening import Clip
    from audiocodec.models.codec import Codec
    from audiocodec.models.transcoder import Transcoder

SECONDS = 30.0  # of each recording
MAX_MINUTES = 30  # of all players; about 50 MB


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `codec listen`."""
    parser.add_argument(
        "inputs", nargs="+", metavar="FILE", help="audio file, folder or list (*.scp)"
    )
    add_model_arguments(parser)
    parser.add_argument(
        "--num-quantizers",
        type=positive,
        nargs="+",
        metavar="N",
        help="a player for each N (default: 1, 2, 4, ... and all)",
    )
    parser.add_argument(
        "--seconds", type=float, default=SECONDS, metavar="S", help="of each file (default: 30)"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads of the model")
    parser.add_argument(
        "--output", type=Path, default=Path("listen.html"), metavar="HTML", help="the page"
    )


def run(args: argparse.Namespace) -> None:
    """Write the page; print where it is and how large."""
    from audiocodec.models.transcoder import Transcoder

    paths = [path for given in args.inputs for _, path in found(given, AUDIO_SUFFIXES)]
    if not paths:
        raise AudioError(f"{', '.join(args.inputs)}: no {' '.join(AUDIO_SUFFIXES)} file there")
    set_threads(args.threads)
    transcoder = Transcoder(load_model(args))
    size = write_page(transcoder, paths, args.output, args.num_quantizers, args.seconds)
    print(f"{args.output}: {size / 1e6:.1f} MB")


def write_page(
    transcoder: "Transcoder",
    paths: Sequence[Path],
    target: Path,
    num_quantizers: Sequence[int] | None = None,
    seconds: float = SECONDS,
) -> int:
    """Write the page about the first `seconds` of each file; returns its bytes.

    Raises:
        AudioError: a file cannot be read.
        ConfigError: the model has not so many quantizers, or the page would be too large.
    """
    from audiocodec.evaluation.listening import write_listening_page

    codec = transcoder.codec
    stages = sorted(
        {codec.resolve_num_quantizers(n) for n in num_quantizers or default_num_quantizers(codec)}
    )
    infos = [audio_info(path) for path in paths]
    lengths = [min(seconds, info.num_samples / info.sample_rate) for info in infos]
    minutes = (1 + len(stages)) * sum(lengths) / 60
    if not 0 < minutes <= MAX_MINUTES:
        raise ConfigError(
            f"{minutes:.1f} minutes of sound in {(1 + len(stages)) * len(paths)} players; a page "
            f"has more than 0 and at most {MAX_MINUTES}: change --seconds, or give fewer files"
        )
    clips = [
        _clip(transcoder, path, info, stages, seconds)
        for path, info in zip(paths, infos, strict=True)
    ]
    facts = {
        "model": codec.name,
        "weights": transcoder.model_hash,
        "rate": f"{codec.sample_rate} Hz, {codec.frame_rate:g} frames/s",
        "latency": f"{1000 * codec.latency_samples / codec.sample_rate:.0f} ms",
    }
    return write_listening_page(clips, target, facts)


def default_num_quantizers(codec: "Codec") -> list[int]:
    """Powers of two, and all."""
    return [n for n in range(1, codec.num_quantizers) if n.bit_count() == 1] + [
        codec.num_quantizers
    ]


def _clip(
    transcoder: "Transcoder", path: Path, info: AudioInfo, stages: Sequence[int], seconds: float
) -> "Clip":
    from audiocodec.evaluation.listening import Clip
    from audiocodec.models.transcoder import Sound

    rate, whole = info.sample_rate, info.num_samples / info.sample_rate
    original = read_waveform(path, num_samples=max(1, round(min(seconds, whole) * rate)))
    notes = [f"{info.num_channels} channels averaged"] if info.num_channels > 1 else []
    if seconds < whole:
        notes.append(f"the first {seconds:g} s of {whole:.1f} s")
        print(f"codec: {path}: only {notes[-1]}; --seconds changes that", file=sys.stderr)
    part = AudioInfo(rate, original.shape[-1], 1)
    sound = Sound(resample(original, rate, transcoder.codec.sample_rate), part)
    versions = []
    for n in stages:
        decoded = transcoder.decode(transcoder.encode([sound], n))[0].restored()
        title = f"{transcoder.codec.bitrate(n) / 1000:g} kbit/s, {n} of "
        title += f"{transcoder.codec.num_quantizers} quantizers"
        versions.append((title, decoded[0]))
    return Clip(path.name, rate, original[0], versions, notes)
