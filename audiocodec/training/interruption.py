"""Signals that ask a run to stop: it finishes the step, saves and leaves with a special code."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from audiocodec.environment import STOP_SIGNALS
from audiocodec.errors import CodecError


class Interrupted(CodecError):
    """Stopped by a signal after saving a checkpoint; the run can be requeued and resumed."""

    exit_code = 75  # EX_TEMPFAIL


class StopRequest:
    """Remembers the signal that arrived."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.everywhere = False  # all processes know that one of them was asked

    @property
    def name(self) -> str:
        """Of the signal, "a signal" if another process got it."""
        return "a signal" if self.number is None else signal.Signals(self.number).name

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals inside the block."""

        def remember(number: int, _frame: FrameType | None) -> None:
            self.number = number

        former = [signal.signal(number, remember) for number in STOP_SIGNALS]
        try:
            yield
        finally:
            for number, handler in zip(STOP_SIGNALS, former, strict=True):
                signal.signal(number, handler)
