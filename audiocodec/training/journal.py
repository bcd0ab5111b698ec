"""What a run tells: one JSON line a report in `EXP/log.jsonl`, and TensorBoard if installed."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Scalars of a run by step; a resumed run appends. Files are opened at the first report."""

    def __init__(self, experiment: Path, enabled: bool) -> None:
        self._experiment, self._enabled = experiment, enabled
        self._board: Any = None

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Record `values` of `step`."""
        if not self._enabled:
            return
        self._experiment.mkdir(parents=True, exist_ok=True)
        with open(self._experiment / "log.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "time": time.time(), **values}) + "\n")
        self._board = self._board or self._open_board()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def _open_board(self) -> Any:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # the extra `tensorboard` is not installed
            return None
        return SummaryWriter(self._experiment / "tensorboard")

    def close(self) -> None:
        """Flush everything."""
        if self._board is not None:
            self._board.close()
            self._board = None
