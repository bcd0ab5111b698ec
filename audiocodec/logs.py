"""Where messages go: stderr and, for long work, a file beside its results."""

import logging
import sys
from pathlib import Path


def log_to(path: Path | None = None) -> None:
    """Send the package's messages to stderr and append them to `path`."""
    logger = logging.getLogger("audiocodec")
    logger.setLevel(logging.INFO)
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
