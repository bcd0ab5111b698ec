"""What every quantizer offers; the codec knows no more of one than this."""

from typing import NamedTuple

from torch import Tensor, nn


class Quantized(NamedTuple):
    """The result of quantizing in training.

    latent: (batch, latent_dim, frames), quantized, straight-through: its gradient is the input's.
    codes: (batch, num_quantizers, frames), int64.
    loss: scalar, codebook and commitment terms together.
    """

    latent: Tensor
    codes: Tensor
    loss: Tensor


class Quantizer(nn.Module):
    """Latents to codes and back; `decode` is the same for training and for stored codes.

    Subclasses take (config, latent_dim).
    """

    codebook_sizes: tuple[int, ...]

    @property
    def num_quantizers(self) -> int:
        return len(self.codebook_sizes)

    def forward(self, latent: Tensor, num_quantizers: int | Tensor | None = None) -> Quantized:
        """Quantize with gradients; `num_quantizers` may be a tensor (batch,), one number a row."""
        raise NotImplementedError

    def encode(self, latent: Tensor, num_quantizers: int | None = None) -> Tensor:
        """(batch, latent_dim, frames) -> codes (batch, num_quantizers, frames)."""
        raise NotImplementedError

    def decode(self, codes: Tensor) -> Tensor:
        """Codes of the first stages (batch, n, frames) -> (batch, latent_dim, frames)."""
        raise NotImplementedError

    def initialize(self, latent: Tensor) -> None:
        """Start from data: `latent` (batch, latent_dim, frames) is a sample to be quantized."""
        raise NotImplementedError
