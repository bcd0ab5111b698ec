"""What a batch has done: a bar on a terminal, one line per failure, one line in the end."""

import contextlib
import sys
import time
from dataclasses import dataclass
from typing import Any, TypeAlias

from audiocodec.errors import CodecError, PartialFailure
from audiocodec.pipeline.paths import Item

Outcomes: TypeAlias = dict[Item, dict[str, Any]]  # as a manifest has them


@dataclass(frozen=True)
class Summary:
    """What a run over files has done: numbers of files, and the seconds of audio in those done."""

    total: int
    done: int
    skipped: int = 0
    seconds: float = 0.0


class Progress:
    """What has been done, as a bar when stderr is a terminal and one line in the end."""

    def __init__(self, total: int, skipped: int, report: bool = True) -> None:
        self.total, self.skipped, self.done, self.failed, self.seconds = total, skipped, 0, 0, 0.0
        self.file_bits, self.nominal_bits = 0, 0.0
        self.outcomes: Outcomes = {}
        from tqdm import tqdm  # a single file is done without

        self.report, hidden = report, not (report and sys.stderr.isatty())
        self.bar = tqdm(total=total, initial=skipped, unit="file", leave=False, disable=hidden)
        self.start = time.monotonic()

    def add(self, seconds: float, item: Item | None = None, nominal_bits: float = 0) -> None:
        """One more file, with `seconds` of audio, is done; of a code file with its nominal bits."""
        if item is not None:
            self.outcomes[item] = {"status": "done", "seconds": seconds}
            if nominal_bits:
                with contextlib.suppress(OSError):  # someone else may have taken it away
                    self.file_bits += 8 * item.target.stat().st_size
                    self.nominal_bits += nominal_bits
        self.done += 1
        self.seconds += seconds
        self.bar.set_postfix_str(self._speed(), refresh=False)
        self.bar.update()

    def fail(self, item: Item, error: BaseException) -> None:
        """Report that a file failed; the error of a library becomes one line, too."""
        self.failed += 1
        text = str(error) if isinstance(error, CodecError) else f"{type(error).__name__}: {error}"
        text = " ".join(text.split())
        self.outcomes[item] = {"status": "failed", "error": text}
        where = "" if item.where in text else f"{item.where}: "
        if self.report:
            self.bar.write(f"codec: error: {where}{text}", file=sys.stderr)
        self.bar.update()

    def finish(self) -> Summary:
        """Say what was done; raises PartialFailure if something was not."""
        self.bar.close()
        if self.report:
            self._print()
        if self.failed:
            raise PartialFailure(f"{self.failed} of {self.total} files failed")
        return Summary(self.total, self.done, self.skipped, self.seconds)

    def _print(self) -> None:
        skipped = f", {self.skipped} were there already" if self.skipped else ""
        rates = ""
        if self.nominal_bits:
            measured, nominal = self.file_bits / self.seconds, self.nominal_bits / self.seconds
            rates = f"; files of {measured / 1000:.2f} kbit/s, nominal {nominal / 1000:.2f}"
        print(
            f"codec: {self.done} of {self.total} files done{skipped}; {self._speed()}{rates}",
            file=sys.stderr,
        )

    def _speed(self) -> str:
        elapsed = max(time.monotonic() - self.start, 1e-9)
        return f"{self.seconds / 3600:.2f} h of audio, {self.seconds / elapsed:.0f} x real time"
