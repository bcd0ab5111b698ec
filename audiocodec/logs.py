"""Where messages go: stderr and, for long work, a file beside its results."""

import logging
import sys
from pathlib import Path

from tqdm import tqdm


class _AboveBars(logging.Handler):
    """Writes to stderr without breaking a progress bar."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def log_to(path: Path | None = None, level: int = logging.INFO) -> None:
    """Send the package's messages of `level` and up to stderr and append them to `path`."""
    logger = logging.getLogger("audiocodec")
    logger.setLevel(level)
    handlers: list[logging.Handler] = [_AboveBars()]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
