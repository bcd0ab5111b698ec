"""A page to hear what codecs do: each recording beside its decoded versions, scored and drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audiocodec.audio import flac_bytes
from audiocodec.evaluation import figures
from audiocodec.evaluation.metrics import ABOUT
from audiocodec.evaluation.page import write_page
from audiocodec.evaluation.scoring import score_signals

METRICS = ("pesq_wb", "stoi", "harmonic_correlation", "tonal_lines", "gain")
ABOUT_PAGE = "Each recording, and what the codec makes of it."


@dataclass(frozen=True)
class Clip:
    """A recording (time,), and versions of it as title and (time,), all at one rate."""

    name: str
    sample_rate: int
    original: np.ndarray
    versions: Sequence[tuple[str, np.ndarray]]
    notes: Sequence[str] = ()  # what else to know, e.g. that only a part is here


def write_listening_page(
    clips: Sequence[Clip],
    target: Path,
    facts: Mapping[str, Any],
    metrics: Sequence[str] = METRICS,
    about: str = ABOUT_PAGE,
) -> int:
    """Write the page, with `facts` about the codec on it; returns its bytes.

    Args:
        metrics: to score versions by, against the original.
        about: what there is to hear, in a sentence.

    Raises:
        CodecError: the page cannot be written.
    """
    rows: list[dict[str, Any]] = [
        {
            "name": clip.name,
            "notes": clip.notes,
            "players": [
                _player(clip, title, waveform, metrics)
                for title, waveform in (("original", clip.original), *clip.versions)
            ],
        }
        for clip in clips
    ]
    megabytes = sum(len(player["sound"]) for row in rows for player in row["players"]) / 1e6
    return write_page(
        "listen.html.jinja", target, clips=rows, facts=facts, megabytes=megabytes, about=about
    )


def _player(clip: Clip, title: str, waveform: np.ndarray, metrics: Sequence[str]) -> dict[str, Any]:
    scores: dict[str, float] = {}
    reasons: dict[str, str] = {}
    if metrics and waveform is not clip.original:
        scores, reasons = score_signals(clip.original, waveform, clip.sample_rate, metrics)
    texts = [f"{name} {value:.2f} {ABOUT[name].unit}".strip() for name, value in scores.items()]
    return {
        "title": title,
        "scores": texts + [f"{name} not defined: {reason}" for name, reason in reasons.items()],
        "sound": flac_bytes(waveform, clip.sample_rate),
        "picture": figures.spectrogram(waveform, clip.sample_rate),
    }
