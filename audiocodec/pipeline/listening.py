"""A page to hear recordings beside what a model makes of them."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiocodec.audio import AudioInfo, audio_info, read_waveform, resample
from audiocodec.errors import ConfigError

if TYPE_CHECKING:
    from audiocodec.evaluation.listening import Clip
    from audiocodec.models.base import AnyCodec
    from audiocodec.models.transcoder import Transcoder

SECONDS = 30.0  # of each recording
MAX_MINUTES = 30  # of all players; about 50 MB


def listening_page(
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
    from audiocodec.models.description import latency_text

    latency = codec.latency_samples
    facts = {
        "model": codec.name,
        "weights": transcoder.model_hash,
        "rate": f"{codec.sample_rate} Hz, {codec.frame_rate:g} frames/s",
        "latency": latency_text(latency and 1000 * latency / codec.sample_rate),
    }
    if codec.beams > 1:
        facts["search"] = f"{codec.beams} beams"
    return write_listening_page(clips, target, facts)


def default_num_quantizers(codec: "AnyCodec") -> list[int]:
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
