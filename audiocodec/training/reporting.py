"""What a run tells people: its log, TensorBoard, and a bar or lines while it goes."""

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from audiocodec.quantization.usage import UsageCounter
from audiocodec.training.config import TrainConfig
from audiocodec.training.run_log import RunLog
from audiocodec.training.update import UpdateResult
from audiocodec.training.validation import Score
from audiocodec.training.window import Window

log = logging.getLogger(__name__)


class Reporter:
    """Collects what happens in a run and reports it; only the main process writes."""

    def __init__(
        self,
        config: TrainConfig,
        experiment: Path,
        codebook_sizes: Sequence[int],
        device: torch.device,
        processes: int,
        is_main: bool,
    ) -> None:
        self.config, self.processes, self.is_main = config, processes, is_main
        self.run_log = RunLog(experiment)
        self._window = Window(codebook_sizes, device)
        self._bar: tqdm[Any] | None = None

    @contextmanager
    def open(self, step: int, board: Any = None) -> Iterator[None]:
        """Report from `step` on, to TensorBoard's writer `board`, too, if there is one."""
        self.run_log.board = board
        self.rewind(step)
        with tqdm(
            total=self.config.steps,
            initial=step,
            unit="step",
            bar_format="{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {postfix}",
            disable=None if self.is_main else True,
        ) as self._bar:
            yield

    def rewind(self, step: int) -> None:
        """Forget what was reported after `step`, and what was collected."""
        if self.is_main:
            self.run_log.rewind(step)
        self._window.clear()

    def add(self, step: int, result: UpdateResult) -> None:
        """Count the update that made `step`."""
        if result.bad is None:
            self._window.add(result.values, result.codes)
        else:
            self._window.skip()
        if self._bar is not None:
            self._bar.update(step - self._bar.n)

    def restart_clock(self) -> None:
        """Collect anew: what came before is not counted as time of training."""
        self._window.clear()

    def report(
        self, step: int, learning_rate: float, add_up: Callable[[Tensor], Tensor]
    ) -> UsageCounter | None:
        """Write what was collected since the last report; returns how the codes were used.

        Args:
            add_up: sums counts over all processes.
        """
        window, values = self._window, self._window.means()
        rows = window.steps * self.config.batch_size * self.processes
        values["audio_seconds_per_second"] = rows * self.config.crops.seconds / window.seconds
        values["learning_rate"] = learning_rate
        values["skipped"] = window.skipped
        usage = window.usage(add_up)
        if usage is not None:
            values |= {f"codebook/{k}": v for k, v in usage.summary_scalars().items()}
        if self.is_main:
            self.run_log.write(step, values)
            left = (self.config.steps - step) * window.seconds / window.steps
            self._show(step, values, timedelta(seconds=round(left)))
        window.clear()
        return usage

    def _show(self, step: int, values: dict[str, float], left: timedelta) -> None:
        mel, speed = values.get("mel", math.nan), values["audio_seconds_per_second"]
        if self._bar is None or self._bar.disable:  # no terminal
            text = "step %d of %d: mel %.3f, %.1f s of audio a second, %s left"
            log.info(text, step, self.config.steps, mel, speed, left)
        else:
            self._bar.set_postfix_str(f"mel {mel:.3f}, {speed:.1f} s audio/s, {left} left")

    def validation(
        self, step: int, scores: Sequence[Score], means: dict[str, float], best: bool, first: bool
    ) -> None:
        """Report scores of the validation set, the `first` of a run with the reference sounds."""
        if not self.is_main:
            return
        self.run_log.write(step, {f"valid/{name}": value for name, value in means.items()})
        text = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
        log.info("step %d: %s%s", step, text, "; best so far, saved as model" if best else "")
        if not self.run_log.board:
            return
        for score in sorted(scores, key=lambda score: score.index):
            for name, sound in score.sounds.items():
                if name == "decoded" or first:
                    title, rate = f"valid_{score.index + 1}/{name}", self.config.codec.sample_rate
                    self.run_log.write_sound(step, title, sound, rate)
        by_stage = zip(*(score.counts for score in scores), strict=True)
        self.run_log.write_usage(step, [torch.stack(stage).sum(0) for stage in by_stage])
