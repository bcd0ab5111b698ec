"""What callers give a codec, checked and made a batch: waveforms, codes and their lengths."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from audiocodec.errors import AudioError, CodecError, CodeFileError


def waveform_batch(waveform: Tensor | np.ndarray) -> tuple[Tensor, bool]:
    """(batch, 1, time) from (time,), (batch, time) or (batch, 1, time); true if it was (time,).

    Raises:
        AudioError: empty, not finite, not floating point, or a shape other than these.
    """
    tensor = torch.as_tensor(waveform)
    single = tensor.dim() == 1
    if tensor.dim() == 2:
        tensor = tensor.unsqueeze(1)
    elif single:
        tensor = tensor[None, None]
    if tensor.dim() != 3 or tensor.shape[1] != 1 or not tensor.is_floating_point():
        raise AudioError(
            f"waveform is {tuple(tensor.shape)} {tensor.dtype}; give floats of shape (time,), "
            "(batch, time) or (batch, 1, time)"
        )
    if tensor.numel() == 0:
        raise AudioError("waveform is empty; there is nothing to encode")
    if not torch.isfinite(tensor).all():
        raise AudioError("waveform has NaN or infinite samples")
    return tensor, single


def code_batch(
    codes: Tensor | np.ndarray, codebook_sizes: tuple[int, ...], model: str
) -> tuple[Tensor, bool]:
    """int64 (batch, n, frames) from (n, frames) or (batch, n, frames); true if it was (n, frames).

    Raises:
        CodeFileError: not integers, outside the codebooks, or a shape other than these.
    """
    if isinstance(codes, np.ndarray) and codes.dtype.kind in "ui":
        codes = codes.astype(np.int64)  # torch knows little of unsigned types
    tensor = torch.as_tensor(codes)
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
