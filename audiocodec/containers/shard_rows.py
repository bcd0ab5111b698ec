"""What is read of a shard: its rows, listed at once, and their codes when they are asked for."""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from audiocodec.containers.metadata import CodesMetadata, check_codes, smallest_dtype
from audiocodec.errors import CodeFileError

SHARED = ("model", "model_hash", "sample_rate", "hop_length", "codebook_sizes")
LABELS = ("speaker", "text", "source")  # which may be missing, and are in older shards


@dataclass(frozen=True)
class Listed:
    """A row without its codes; `problem` is why it cannot be read."""

    id: str
    num_samples: int = 0  # at the model's rate
    problem: str | None = None
    speaker: str | None = None
    text: str | None = None
    source: str | None = None


class Shard(ABC):
    """The rows of one file; `problem` is what is wrong with the file behind them."""

    rows: list[Listed]
    shared: Mapping[str, object]  # what the first row says of its model, as `shards.describe` does
    mixed: bool = False  # other rows say something else
    problem: str | None = None

    @property
    def metadata(self) -> CodesMetadata:
        """Of the first row, but for its length.

        Raises:
            CodeFileError: missing or impossible values.
        """
        return metadata_of(self.shared, 1)

    @abstractmethod
    def read(self, row: int) -> tuple[np.ndarray, CodesMetadata]:
        """Codes (num_quantizers, frames) in the smallest type, checked against their metadata.

        Raises:
            CodeFileError: a row that is damaged or contradicts itself.
        """

    @abstractmethod
    def close(self) -> None:
        """Give up what is held open."""


def listed(index: int, values: Mapping[str, object]) -> Listed:
    """A row as its shard describes it."""
    name, num_samples = values.get("id"), values.get("num_samples")
    if not isinstance(name, str) or not name:
        return Listed(f"row-{index}", problem=f"row {index} has no id")
    if type(num_samples) is not int:
        return Listed(name, problem=f"row {index} ({name}) has no num_samples")
    labels = [values.get(label) for label in LABELS]
    return Listed(name, num_samples, None, *(v if isinstance(v, str) else None for v in labels))


def metadata_of(values: Mapping[str, object], num_samples: object) -> CodesMetadata:
    """What a code file of the row would say, as if the source had had the model's rate.

    Raises:
        CodeFileError: missing or impossible values.
    """
    try:
        rate, hop = (int(str(values.get(name))) for name in ("sample_rate", "hop_length"))
        sizes = tuple(json.loads(str(values.get("codebook_sizes"))))
    except (ValueError, TypeError, RecursionError):
        raise CodeFileError(
            f"does not say what model made it ({', '.join(SHARED)}), as `codec encode` and "
            "`codec convert` do"
        ) from None
    model: Any = values.get("model")  # CodesMetadata refuses other types
    digest: Any = values.get("model_hash")
    length: Any = num_samples
    return CodesMetadata(model, digest, rate, hop, sizes, length, rate, length, 1)


def checked(codes: np.ndarray, metadata: CodesMetadata) -> tuple[np.ndarray, CodesMetadata]:
    """`Shard.read` of codes of any integer type, flattened or not."""
    stages = len(metadata.codebook_sizes)
    if codes.ndim == 1 and len(codes) % stages == 0:  # frame by frame
        codes = codes.reshape(-1, stages).T
    check_codes(codes, metadata)
    return np.ascontiguousarray(codes, smallest_dtype(metadata.codebook_sizes)), metadata
