"""What callers give a codec, checked and made a batch: waveforms, codes and their lengths."""

import operator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from audiocodec.errors import AudioError, CodecError, CodeFileError

_MOST_CHANNELS = 32
_PCM = {  # where silence is, and full scale
    torch.int16: (0, 1 << 15),
    torch.int32: (0, 1 << 31),
    torch.uint8: (1 << 7, 1 << 7),
}


def waveform_batch(waveform: Tensor | np.ndarray, rows: bool = False) -> tuple[Tensor, bool]:
    """(batch, 1, time) from (time,), (batch, time) or (batch, 1, time); true if it was (time,).

    Floats of any precision, at least float32 in the result, or integers of PCM: 16 or 32 bits, or
    8 bits without a sign. Views of any order are taken.

    Args:
        rows: whether the caller says that the first axis is a batch, so that it may be the longer.

    Raises:
        AudioError: empty, not finite, another type, a shape other than these, or one that is
            rather (time, channels).
    """
    tensor = _samples(waveform)
    single = tensor.dim() == 1
    shape = tuple(tensor.shape)
    if tensor.dim() == 2:
        if not rows and shape[1] < shape[0] and 0 < shape[1] <= _MOST_CHANNELS:
            raise AudioError(
                f"waveform is {shape}, which looks like (time, channels); give one channel "
                "(time,), or a batch as (batch, 1, time)"
            )
        tensor = tensor.unsqueeze(1)
    elif single:
        tensor = tensor[None, None]
    if tensor.dim() != 3 or tensor.shape[1] != 1:
        raise AudioError(
            f"waveform is {shape} {tensor.dtype}; give shape (time,), (batch, time) or "
            "(batch, 1, time)"
        )
    if tensor.numel() == 0:
        raise AudioError("waveform is empty; there is nothing to encode")
    if not torch.isfinite(tensor).all():
        raise AudioError("waveform has NaN or infinite samples")
    return tensor, single


def _samples(waveform: Tensor | np.ndarray) -> Tensor:
    """Floats of at least 32 bits, -1..1, in a tensor of their own order."""
    tensor = waveform if isinstance(waveform, Tensor) else _tensor(waveform)
    if tensor.dtype in _PCM:
        middle, full_scale = _PCM[tensor.dtype]
        return ((tensor.double() - middle) / full_scale).float()
    if not tensor.is_floating_point():
        raise AudioError(
            f"waveform is of type {tensor.dtype}; give floats, or PCM as int16, int32 or uint8"
        )
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))


def _tensor(waveform: Any) -> Tensor:
    try:
        array = np.asarray(waveform)
        if array.dtype.kind not in "fiub" or array.dtype.itemsize > 8:
            raise TypeError(f"an array of type {array.dtype}")
        native = array.astype(array.dtype.newbyteorder("="), copy=False)
        if native.dtype.kind == "u" and native.dtype.itemsize > 1:
            raise TypeError(f"an array of type {array.dtype}")
        # Torch takes no negative strides, and warns of memory that it must not write.
        return torch.from_numpy(np.require(native, requirements=["C", "W"]))
    except (TypeError, ValueError) as error:
        raise AudioError(
            f"waveform is not an array of samples ({error}); give floats, or PCM as int16, "
            "int32 or uint8"
        ) from None


def whole_rate(sample_rate: object) -> int:
    """A sample rate in Hz.

    Raises:
        AudioError: no whole number, or not the rate of a sound.
    """
    try:
        rate = operator.index(sample_rate)  # type: ignore[arg-type]
    except TypeError:
        rate = 0
    if isinstance(sample_rate, bool) or not 1 <= rate <= 1_000_000:
        raise AudioError(f"sample_rate is {sample_rate!r}; give a whole number of Hz, e.g. 16000")
    return rate


def code_batch(
    codes: Tensor | np.ndarray, codebook_sizes: tuple[int, ...], model: str
) -> tuple[Tensor, bool]:
    """int64 (batch, n, frames) from (n, frames) or (batch, n, frames); true if it was (n, frames).

    Raises:
        CodeFileError: not integers, outside the codebooks, or a shape other than these.
    """
    if isinstance(codes, Tensor):
        tensor = codes
    else:
        array = np.asarray(codes)
        if array.dtype.kind not in "ui":
            raise CodeFileError(f"codes are of type {array.dtype}; give integers")
        tensor = torch.from_numpy(array.astype(np.int64))  # torch knows little of unsigned types
    single = tensor.dim() == 2
    batch = tensor.unsqueeze(0) if single else tensor
    fits = batch.dim() == 3 and 1 <= batch.shape[1] <= len(codebook_sizes) and batch.numel() > 0
    if not fits or tensor.is_floating_point() or tensor.dtype is torch.bool:
        raise CodeFileError(
            f"codes are {tuple(tensor.shape)} {tensor.dtype}; {model} decodes integers of shape "
            f"(quantizers, frames) or (batch, quantizers, frames) with 1 to {len(codebook_sizes)} "
            "quantizers"
        )
    batch = batch.to(torch.int64)
    sizes = torch.tensor(codebook_sizes[: batch.shape[1]], device=batch.device)
    if (batch < 0).any() or (batch >= sizes.view(1, -1, 1)).any():
        raise CodeFileError(f"codes lie outside the codebooks of {model}: {codebook_sizes}")
    return batch, single


def row_lengths(
    num_samples: Tensor | int, batch: Tensor, longest: int, error: type[CodecError]
) -> Tensor:
    """(batch,) lengths of the rows of `batch`, from one number or one a row.

    Raises:
        error: not one length a row, or a length that is not in 1 ... `longest`.
    """
    lengths = torch.as_tensor(num_samples, device=batch.device)
    if lengths.dim() > 1 or (lengths.dim() == 1 and len(lengths) != len(batch)):
        raise error(
            f"num_samples is {tuple(lengths.shape)}; give one for each of {len(batch)} rows"
        )
    wrong = lengths[(lengths < 1) | (lengths > longest)].flatten()
    if len(wrong):
        raise error(f"num_samples is {int(wrong[0])}; a row holds 1 to {longest}")
    return lengths.expand(len(batch))


def pad_to_hop(waveform: Tensor, hop_length: int) -> Tensor:
    """(..., time) with zeros up to the next whole hop."""
    return F.pad(waveform, (0, -waveform.shape[-1] % hop_length))


def silence_after(x: Tensor, lengths: Tensor) -> Tensor:
    """`x` (batch, channels, time) with zeros from step lengths[row] on."""
    time = torch.arange(x.shape[-1], device=x.device)
    return x.masked_fill(time >= lengths.view(-1, 1, 1), 0)
