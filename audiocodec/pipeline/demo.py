"""A demonstration: clips as they were and as a model gives them back at each rate, with figures."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from audiocodec.audio import read_waveform, write_waveform
from audiocodec.codes import write_codes
from audiocodec.errors import MissingPackage
from audiocodec.evaluation.codes_figure import Drawn, draw
from audiocodec.pipeline.listening import default_num_quantizers, listening_page

if TYPE_CHECKING:
    from audiocodec.models.transcoder import Transcoder

METRICS = ("pesq_wb", "stoi", "harmonic_correlation", "tonal_lines")


def write_demo(
    transcoder: "Transcoder",
    sources: Sequence[Path],
    folder: Path,
    num_quantizers: int | None = None,
) -> dict[str, Any]:
    """Write a folder for each clip, and `demo.png` and `listen.html` for all; returns the figures.

    A clip's folder has `original.wav`, `codes.npy` and a `decoded_RATEkbps.wav` for 1, 2, 4, ...
    quantizers and for `num_quantizers` (default: all), which is how many the codes have. Scores,
    picture and page are left out if their packages are not installed.

    Raises:
        CodecError: a file cannot be read or written, or the model has not so many quantizers.
    """
    codec = transcoder.codec
    most = codec.resolve_num_quantizers(num_quantizers)
    stages = [n for n in default_num_quantizers(codec) if n < most] + [most]
    drawn, clips = [], {}
    for source in sources:
        picture, clips[source.stem] = _write_clip(transcoder, source, folder / source.stem, stages)
        drawn.append(picture)
    picture_file, page = folder / "demo.png", folder / "listen.html"
    files = {"audio": folder / "*" / "*.wav", "codes": folder / "*" / "codes.npy"}
    report = {"model": codec.name, "bitrate": codec.bitrate(most), "clips": clips}
    try:  # these need more packages than encoding and decoding do
        draw(picture_file, drawn, f"{codec.name}, codes of {codec.bitrate(most) / 1000:g} kbit/s")
        files["pictures"] = picture_file
        listening_page(transcoder, sources, page, stages)
        files["page to listen"] = page
    except MissingPackage as missing:
        report["left out"] = str(missing)
    return report | {"files": {name: str(path) for name, path in files.items()}}


def _write_clip(
    transcoder: "Transcoder", source: Path, folder: Path, stages: Sequence[int]
) -> tuple[Drawn, dict[str, Any]]:
    sound = transcoder.read(source)
    rate = sound.info.sample_rate
    original = read_waveform(source)
    write_waveform(folder / "original.wav", original, rate)
    transcoder.decode(transcoder.encode([sound]))  # the first run is slower than the others
    versions, figures = {"original": original[0]}, {}
    for n in stages:
        start = time.perf_counter()
        coded = transcoder.encode([sound], n)[0]
        decoded = transcoder.decode([coded])[0].restored()
        elapsed = time.perf_counter() - start
        kbps = f"{transcoder.codec.bitrate(n) / 1000:g}"
        write_waveform(folder / f"decoded_{kbps}kbps.wav", decoded, rate)
        versions[f"{kbps} kbit/s"] = decoded[0]
        figures[f"{kbps} kbit/s"] = _scores(original[0], decoded[0], rate)
    write_codes(folder / "codes.npy", coded.codes, coded.metadata)
    report = {
        "audio": str(source),
        "samples_in": sound.info.num_samples,
        "samples_out": decoded.shape[-1],
        "times_real_time": sound.duration / elapsed,
        **figures,
    }
    return Drawn(source.stem, rate, versions, coded.codes), report


def _scores(original: np.ndarray, decoded: np.ndarray, rate: int) -> Mapping[str, Any]:
    try:
        from audiocodec.evaluation.scoring import score_signals
    except MissingPackage:  # so is the page, which is reported
        return {}
    scores, reasons = score_signals(original, decoded, rate, METRICS)
    return {**scores, **{name: f"not defined: {reason}" for name, reason in reasons.items()}}
