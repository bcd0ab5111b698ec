"""One page about evaluations: tables, distributions, the worst utterances to hear."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audiocodec.audio import flac_bytes, read_audio
from audiocodec.errors import AudioError
from audiocodec.evaluation import figures
from audiocodec.evaluation.metrics import ABOUT
from audiocodec.evaluation.page import write_page
from audiocodec.evaluation.results import read_summary, read_utterances
from audiocodec.extras import extra

with extra("eval"):
    import pandas as pd

WORST = 10
MAX_SECONDS = 10  # of each player


@dataclass(frozen=True)
class System:
    """One evaluation: its name on the page, `summary.json` and `utterances.csv`."""

    name: str
    summary: dict[str, Any]
    table: pd.DataFrame


def write_report(folders: Sequence[Path], target: Path) -> None:
    """Write the page about one or more outputs of `codec evaluate`.

    Raises:
        DataError: a folder holds no evaluation.
        CodecError: the page cannot be written.
    """
    systems = _systems(folders)
    metrics = [name for name in ABOUT if any(name in s.summary["metrics"] for s in systems)]
    write_page(
        "report.html.jinja",
        target,
        systems=systems,
        metrics=metrics,
        about=ABOUT,
        distributions=figures.distributions({s.name: s.table for s in systems}, metrics),
        rate_quality=figures.rate_quality([(s.name, s.summary) for s in systems], metrics),
        worst=_worst(systems, metrics),
        seconds=MAX_SECONDS,
    )


def _systems(folders: Sequence[Path]) -> list[System]:
    summaries = [read_summary(folder) for folder in folders]
    names = [
        str(summary["stamp"].get("name") or folder.resolve().name)
        for summary, folder in zip(summaries, folders, strict=True)
    ]
    shared = {name for name, count in Counter(names).items() if count > 1}
    return [
        System(str(folder) if name in shared else name, summary, read_utterances(folder))
        for name, summary, folder in zip(names, summaries, folders, strict=True)
    ]


def _worst(systems: Sequence[System], metrics: Sequence[str]) -> list[dict[str, Any]]:
    """The utterances with the worst mean of the first metric, each with all its sounds."""
    name = next((name for name in metrics if ABOUT[name].better), None)
    if name is None:
        return []
    scored = pd.DataFrame({s.name: s.table[name] for s in systems if name in s.table}).mean(axis=1)
    order = scored.dropna().sort_values(ascending=ABOUT[name].better > 0, kind="stable")
    worst: list[dict[str, Any]] = []
    for identifier in order.index:
        if len(worst) == WORST:
            break
        sounds = _sounds(identifier, systems)
        if len(sounds) > 1:
            values = {s.name: s.table[name].get(identifier) for s in systems if name in s.table}
            worst.append({"id": identifier, "metric": name, "values": values, "sounds": sounds})
    return worst


def _sounds(identifier: str, systems: Sequence[System]) -> list[dict[str, Any]]:
    """Reference and each system: title, FLAC and spectrogram, as far as the files still exist."""
    paths = {"reference": systems[0].table["reference_path"].get(identifier)}
    paths |= {s.name: s.table["degraded_path"].get(identifier) for s in systems}
    sounds = []
    for title, path in paths.items():
        if not path:
            continue
        try:
            waveform, info, _ = read_audio(path)
        except AudioError:  # moved or changed since it was scored
            continue
        waveform = waveform[0, : MAX_SECONDS * info.sample_rate]
        picture = figures.spectrogram(waveform, info.sample_rate)
        sound = flac_bytes(waveform, info.sample_rate)
        sounds.append({"title": title, "sound": sound, "picture": picture})
    return sounds
