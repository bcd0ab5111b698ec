"""What a run tells: one JSON line a report in `EXP/log.jsonl`, and TensorBoard if installed."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class Journal:
    """Scalars of a run by step; a resumed run appends."""

    def __init__(self, experiment: Path, enabled: bool) -> None:
        self._file = None
        self._board: Any = None
        if not enabled:
            return
        experiment.mkdir(parents=True, exist_ok=True)
        self._file = open(experiment / "log.jsonl", "a", encoding="utf-8")  # noqa: SIM115
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:  # the extra `tensorboard` is not installed
            return
        self._board = SummaryWriter(experiment / "tensorboard")  # type: ignore[no-untyped-call]

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Record `values` of `step`."""
        if self._file is not None:
            self._file.write(json.dumps({"step": step, "time": time.time(), **values}) + "\n")
            self._file.flush()
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def close(self) -> None:
        """Flush everything."""
        if self._file is not None:
            self._file.close()
        if self._board is not None:
            self._board.close()
