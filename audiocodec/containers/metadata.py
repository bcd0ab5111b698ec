"""What a code file says about its codes, and what codes and metadata owe each other."""

import dataclasses
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from audiocodec.errors import CodeFileError
from audiocodec.lengths import resampled_length

FORMAT_VERSION = 1
MAX_METADATA_BYTES = 1 << 16

_LIMITS = {  # inclusive; they bound what a hostile file can make a reader do
    "sample_rate": (1, 1_000_000),
    "hop_length": (1, 1 << 20),
    "num_samples": (1, 1 << 48),
    "source_sample_rate": (1, 1_000_000),
    "source_num_samples": (1, 1 << 48),
    "source_channels": (1, 1024),
}
_MAX_STAGES, _MAX_CODEBOOK_SIZE, _MAX_NAME = 64, 1 << 32, 200


@dataclass(frozen=True)
class CodesMetadata:
    """`num_samples` is at the model's `sample_rate`; `source_*` describe the encoded file."""

    model: str
    model_hash: str  # 16 hexadecimal digits, see Codec.weight_hash
    sample_rate: int  # Hz
    hop_length: int  # samples per frame
    codebook_sizes: tuple[int, ...]  # of the stored stages
    num_samples: int
    source_sample_rate: int
    source_num_samples: int
    source_channels: int
    format_version: int = FORMAT_VERSION

    @property
    def num_frames(self) -> int:
        return -(-self.num_samples // self.hop_length)

    @property
    def duration(self) -> float:
        """Seconds of audio."""
        return self.source_num_samples / self.source_sample_rate

    @property
    def bitrate(self) -> float:
        """Nominal bits/s of one channel."""
        return self.sample_rate / self.hop_length * sum(map(math.log2, self.codebook_sizes))

    def bitrate_of(self, shape: tuple[int, ...]) -> float:
        """Nominal bits/s of codes of this shape, with the channels that it may have."""
        return self.bitrate * (shape[0] if len(shape) == 3 else 1)

    def __post_init__(self) -> None:
        """Raises CodeFileError for a field of the wrong type or out of bounds."""
        if self.format_version != FORMAT_VERSION or isinstance(self.format_version, bool):
            raise CodeFileError(
                f"format version {self.format_version!r} is unknown to this program, which reads "
                f"version {FORMAT_VERSION}; upgrade it"
            )
        for name, (low, high) in _LIMITS.items():
            value = getattr(self, name)
            if type(value) is not int or not low <= value <= high:
                raise CodeFileError(f"metadata {name} is {value!r}; it must be {low} to {high}")
        for name in ("model", "model_hash"):
            value = getattr(self, name)
            if not isinstance(value, str) or not 0 < len(value) <= _MAX_NAME:
                raise CodeFileError(f"metadata {name} must be a text of 1 to {_MAX_NAME} letters")
        sizes = self.codebook_sizes
        if not 1 <= len(sizes) <= _MAX_STAGES or not all(
            type(size) is int and 2 <= size <= _MAX_CODEBOOK_SIZE for size in sizes
        ):
            raise CodeFileError(f"metadata codebook_sizes is {_short(sizes)}; give one per stage")
        expected = resampled_length(
            self.source_num_samples, self.source_sample_rate, self.sample_rate
        )
        if self.num_samples != expected:
            raise CodeFileError(
                f"metadata num_samples is {self.num_samples}; {self.source_num_samples} samples at "
                f"{self.source_sample_rate} Hz are {expected} at {self.sample_rate} Hz"
            )

    def to_json(self) -> bytes:
        """UTF-8, without spaces, fields in the order of the class."""
        text = json.dumps(dataclasses.asdict(self), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "backslashreplace")

    @classmethod
    def from_json(cls, text: bytes) -> "CodesMetadata":
        """The inverse of `to_json`.

        Raises:
            CodeFileError: not such a text, or values that cannot be.
        """
        try:
            values = json.loads(text.decode("utf-8"), object_pairs_hook=_unique)
        except (ValueError, RecursionError):
            raise CodeFileError("metadata is not valid JSON") from None
        names = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(values, dict) or set(values) != names:
            raise CodeFileError(f"metadata must have the fields {', '.join(sorted(names))}")
        if not isinstance(values["codebook_sizes"], list):
            raise CodeFileError("metadata codebook_sizes must be a list")
        return cls(**values | {"codebook_sizes": tuple(values["codebook_sizes"])})


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a key occurs twice")
    return dict(pairs)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 80 else text[:77] + "..."


def smallest_dtype(codebook_sizes: Sequence[int]) -> np.dtype[Any]:
    """The smallest little-endian unsigned type that holds every code."""
    largest = max(codebook_sizes)
    return np.dtype("u1" if largest <= 1 << 8 else "<u2" if largest <= 1 << 16 else "<u4")


def check_shape(shape: tuple[int, ...], metadata: CodesMetadata) -> None:
    """Codes are (num_quantizers, frames), or (channels, num_quantizers, frames) if kept apart.

    Raises:
        CodeFileError: any other shape, or one that contradicts the metadata.
    """
    expected = (len(metadata.codebook_sizes), metadata.num_frames)
    kept = (metadata.source_channels, *expected)
    if shape not in (expected, kept):
        raise CodeFileError(f"codes have shape {shape}; by the metadata it is {expected} or {kept}")


def check_codes(codes: np.ndarray, metadata: CodesMetadata) -> None:
    """Integers of the shape of the metadata, each smaller than its codebook.

    Raises:
        CodeFileError: otherwise.
    """
    if codes.dtype.kind not in "iu":
        raise CodeFileError(f"codes are of type {codes.dtype}; they must be integers")
    check_shape(codes.shape, metadata)
    sizes = np.array(metadata.codebook_sizes, dtype=np.int64)
    stages = codes.reshape(-1, len(sizes), codes.shape[-1])
    bad = (stages.max(axis=(0, 2)) >= sizes) | (stages.min(axis=(0, 2)) < 0)
    if bad.any():
        stage = int(bad.argmax())
        raise CodeFileError(
            f"stage {stage} has codes outside its codebook, 0 to {int(sizes[stage]) - 1}"
        )
