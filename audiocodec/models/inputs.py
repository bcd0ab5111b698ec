"""What callers give a codec, checked and made a batch: waveforms, codes and their lengths.

Everything becomes NumPy arrays. Tensors of PyTorch are taken, too, though it need not be installed.
"""

import operator
from typing import Any

import numpy as np

from audiocodec.errors import AudioError, CodecError, CodeFileError

ABSENT = -1  # in place of a code: this stage, and all after it, add nothing to the frame
_MOST_CHANNELS = 32
_PCM = {  # where silence is, and full scale
    np.dtype(np.int16): (0, 1 << 15),
    np.dtype(np.int32): (0, 1 << 31),
    np.dtype(np.uint8): (1 << 7, 1 << 7),
}


def plain(values: Any) -> Any:
    """`values`; of a tensor, one that NumPy can read: in memory, without gradient, not bfloat16."""
    if not hasattr(values, "detach"):
        return values
    tensor = values.detach().cpu()
    return tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor


def waveform_batch(waveform: Any, rows: bool = False) -> tuple[np.ndarray, bool]:
    """(batch, 1, time) from (time,), (batch, time) or (batch, 1, time); true if it was (time,).

    float32 from floats of any precision, or from integers of PCM: 16 or 32 bits, or 8 bits without
    a sign. Views of any order are taken.

    Args:
        rows: whether the caller says that the first axis is a batch, so that it may be the longer.

    Raises:
        AudioError: empty, not finite, another type, a shape other than these, or one that is
            rather (time, channels).
    """
    samples = _samples(_array(waveform))
    shape, single = samples.shape, samples.ndim == 1
    if samples.ndim == 2:
        if not rows and shape[1] < shape[0] and 0 < shape[1] <= _MOST_CHANNELS:
            raise AudioError(
                f"waveform is {shape}, which looks like (time, channels); give one channel "
                "(time,), or a batch as (batch, 1, time)"
            )
        samples = samples[:, None]
    elif single:
        samples = samples[None, None]
    if samples.ndim != 3 or samples.shape[1] != 1:
        raise AudioError(
            f"waveform is {shape} {samples.dtype}; give shape (time,), (batch, time) or "
            "(batch, 1, time)"
        )
    if not samples.size:
        raise AudioError("waveform is empty; there is nothing to encode")
    if not np.isfinite(samples).all():
        raise AudioError("waveform has NaN or infinite samples")
    return samples, single


def _array(waveform: Any) -> np.ndarray:
    try:
        array = np.asarray(plain(waveform))
        if array.dtype.kind not in "fiubc" or array.dtype.itemsize > 8:
            raise TypeError(f"an array of type {array.dtype}")
        return array.astype(array.dtype.newbyteorder("="), copy=False)
    except (TypeError, ValueError) as error:
        raise AudioError(
            f"waveform is not an array of samples ({error}); give floats, or PCM as int16, "
            "int32 or uint8"
        ) from None


def _samples(array: np.ndarray) -> np.ndarray:
    """float32, -1..1: as files are read, so that no runtime sees more of a sample than another."""
    if array.dtype in _PCM:
        middle, full_scale = _PCM[array.dtype]
        return ((array.astype(np.float64) - middle) / full_scale).astype(np.float32)
    if array.dtype.kind != "f":
        raise AudioError(
            f"waveform is of type {array.dtype}; give floats, or PCM as int16, int32 or uint8"
        )
    with np.errstate(over="ignore"):  # then it is not finite
        return array.astype(np.float32, copy=False)


def whole_rate(sample_rate: object) -> int:
    """A sample rate in Hz; some libraries give 16000.0.

    Raises:
        AudioError: no whole number, or not the rate of a sound.
    """
    if isinstance(sample_rate, float | np.floating) and sample_rate.is_integer():
        sample_rate = int(sample_rate)
    try:
        rate = operator.index(sample_rate)  # type: ignore[arg-type]
    except TypeError:
        rate = 0
    if isinstance(sample_rate, bool) or not 1 <= rate <= 1_000_000:
        raise AudioError(f"sample_rate is {sample_rate!r}; give a whole number of Hz, e.g. 16000")
    return rate


def code_batch(codes: Any, codebook_sizes: tuple[int, ...], model: str) -> tuple[np.ndarray, bool]:
    """int64 (batch, n, frames) from (n, frames) or (batch, n, frames); true if it was (n, frames).

    Raises:
        CodeFileError: not integers, outside the codebooks, or a shape other than these.
    """
    try:
        array = np.asarray(plain(codes))
    except ValueError as error:
        raise CodeFileError(f"codes are not an array ({error}); give integers") from None
    if array.dtype.kind not in "ui":
        raise CodeFileError(f"codes are of type {array.dtype}; give integers")
    single = array.ndim == 2
    batch = array[None] if single else array
    if not (batch.ndim == 3 and 1 <= batch.shape[1] <= len(codebook_sizes) and batch.size):
        raise CodeFileError(
            f"codes are {array.shape} {array.dtype}; {model} decodes integers of shape "
            f"(quantizers, frames) or (batch, quantizers, frames) with 1 to {len(codebook_sizes)} "
            "quantizers"
        )
    batch = batch.astype(np.int64)
    sizes = np.array(codebook_sizes[: batch.shape[1]])
    if batch.min() < 0 or (batch >= sizes[:, None]).any():
        raise CodeFileError(f"codes lie outside the codebooks of {model}: {codebook_sizes}")
    return batch, single


def row_lengths(num_samples: Any, rows: int, longest: int, error: type[CodecError]) -> np.ndarray:
    """int64 (rows,): the lengths of the rows of a batch, from one number or one a row.

    Raises:
        error: not one length a row, or a length that is not in 1 ... `longest`.
    """
    lengths = np.asarray(plain(num_samples))
    if lengths.ndim > 1 or (lengths.ndim == 1 and len(lengths) != rows):
        raise error(f"num_samples is {lengths.shape}; give one for each of {rows} rows")
    if lengths.dtype.kind not in "iu":
        raise error(f"num_samples is of type {lengths.dtype}; give whole numbers")
    wrong = lengths[(lengths < 1) | (lengths > longest)].flatten()
    if len(wrong):
        raise error(f"num_samples is {int(wrong[0])}; a row holds 1 to {longest}")
    return np.broadcast_to(lengths.astype(np.int64), (rows,))


def padded(x: np.ndarray, length: int, value: int = 0) -> np.ndarray:
    """(..., time) with `value` from its end up to `length`."""
    missing = length - x.shape[-1]
    if missing <= 0:
        return x
    return np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, missing)], constant_values=value)


def silence_after(x: np.ndarray, lengths: np.ndarray, value: int = 0) -> np.ndarray:
    """`x` (batch, channels, time) with `value` from step lengths[row] on."""
    if (lengths >= x.shape[-1]).all():
        return x
    after = np.arange(x.shape[-1]) >= lengths[:, None, None]
    return np.where(after, x.dtype.type(value), x)
