"""What a run tells: one JSON line a report in `EXP/log.jsonl`, and the same to TensorBoard."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from audiocodec.errors import DataError
from audiocodec.evaluation.spectrogram import levels
from audiocodec.files import atomic_path

LOG_FILE = "log.jsonl"


class RunLog:
    """Scalars, sounds and histograms of a run by step. `board` is TensorBoard's writer, or None."""

    def __init__(self, experiment: Path, board: Any = None) -> None:
        self.path, self.board = experiment / LOG_FILE, board

    def rewind(self, step: int) -> None:
        """Forget reports after `step`: they will come again."""
        if not self.path.exists():
            return
        kept = [line for line in read_log(self.path.parent) if line["step"] <= step]
        with atomic_path(self.path) as temporary:
            temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Record `values` of `step`."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "time": time.time(), **values}) + "\n")
        if self.board is not None:
            for name, value in values.items():
                self.board.add_scalar(name, value, step)

    def write_sound(self, step: int, name: str, waveform: np.ndarray, sample_rate: int) -> None:
        """A sound (time,) and its spectrogram; on the board only."""
        if self.board is not None:
            self.board.add_audio(name, np.clip(waveform, -1, 1), step, sample_rate)
            self.board.add_image(
                f"{name}/spectrogram", spectrogram_image(waveform, sample_rate), step
            )

    def write_usage(self, step: int, counts: list[Tensor]) -> None:
        """How often the codes of each stage were chosen, over that of equal use; board only."""
        if self.board is not None:
            for stage, count in enumerate(counts):
                relative = count.double() / count.sum().clamp_min(1) * len(count)
                self.board.add_histogram(f"codebook/{stage + 1}", relative, step)


def read_log(experiment: Path) -> list[dict[str, float]]:
    """The reports of a run in their order; the line that a killed run was writing is left out.

    Raises:
        DataError: there is no log.
    """
    try:
        text = (experiment / LOG_FILE).read_text(encoding="utf-8")
    except OSError:
        raise DataError(f"{experiment / LOG_FILE}: no log of a training there") from None
    reports = []
    for line in text.splitlines():
        try:
            reports.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return reports


def spectrogram_image(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Grey image (1, frequencies, frames) of (time,) in 0..1, low frequencies at the bottom."""
    return levels(waveform, sample_rate)[None, ::-1].astype(np.float32)
