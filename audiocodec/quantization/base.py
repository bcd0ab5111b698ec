"""What every quantizer offers; the codec knows no more of one than this."""

from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Quantized(NamedTuple):
    """The result of quantizing in training.

    latent: (batch, latent_dim, *positions), `decode(codes)` bit for bit, with a gradient.
    codes: (batch, num_quantizers, *positions), int64.
    loss: scalar, codebook and commitment terms together.
    """

    latent: Tensor
    codes: Tensor
    loss: Tensor


class Quantizer(nn.Module):
    """Latents to codes and back; `decode` is the same for training and for stored codes.

    Subclasses take (config, latent_dim). Positions are frames of audio, or rows and columns of an
    image: any number of axes.
    """

    codebook_sizes: tuple[int, ...]

    @property
    def num_quantizers(self) -> int:
        return len(self.codebook_sizes)

    @property
    def codebooks(self) -> "list[Quantizer]":
        """The quantizers of one codebook each, in the order of the codes."""
        return [self]

    @property
    def basis_digest(self) -> str | None:
        """Of what a seed must give again when weights are loaded; None where nothing is drawn."""
        return None

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        """Quantize with gradients; `num_quantizers` may be a tensor (batch,), one number a row."""
        raise NotImplementedError

    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        """(batch, latent_dim, *positions) -> codes (batch, num_quantizers, *positions)."""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """Codes of the first stages (batch, n, *positions) -> (batch, latent_dim, *positions)."""
        raise NotImplementedError

    def initialize(self, latent: Tensor) -> None:
        """Start from data: `latent` (batch, latent_dim, *positions) is a sample to be quantized."""
        raise NotImplementedError

    def before_step(self) -> None:
        """Forget the latents of a step that was not taken."""
        for codebook in self._others():
            codebook.before_step()

    def after_step(self, step: int) -> None:
        """Learn what no gradient teaches from the latents seen in training since `before_step`.

        Called once after each update of the weights; all processes get here and come to the same.
        What is random depends on the number of the step and the configuration alone.
        """
        for codebook in self._others():
            codebook.after_step(step)

    def _others(self) -> "list[Quantizer]":
        return [codebook for codebook in self.codebooks if codebook is not self]

    @torch.no_grad()
    def vectors(self) -> list[Tensor]:
        """What each code adds to the latent, (codebook size, latent_dim) for each stage.

        Where that depends on the codes before it, those are 0.
        """
        added = []
        device = next(chain(self.parameters(), self.buffers())).device
        for stage, size in enumerate(self.codebook_sizes):
            codes = torch.zeros(size, stage + 1, 1, dtype=torch.int64)
            codes[:, stage, 0] = torch.arange(size)
            codes = codes.to(device)
            latent = self.decode(codes)
            added.append((latent - self.decode(codes[:1, :-1]) if stage else latent)[..., 0])
        return added


def at_least_float32(latent: Tensor) -> Tensor:
    """`latent` in float32, or in float64 if it is."""
    return latent.to(torch.promote_types(latent.dtype, torch.float32))


def to_frames(latent: Tensor) -> Tensor:
    """(batch, dim, *positions) -> (frames, dim)."""
    return latent.movedim(1, -1).reshape(-1, latent.shape[1])


def from_frames(frames: Tensor, like: Tensor) -> Tensor:
    """(frames, n) -> (batch, n, *positions), with the batch and positions of `like`."""
    shape = (like.shape[0], *like.shape[2:], frames.shape[-1])
    return frames.reshape(shape).movedim(-1, 1)
