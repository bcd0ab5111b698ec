"""The codec in PyTorch: encoder, quantizer and decoder. What it does with them is in base.py.

Codes do not depend on what else is in the batch, on how the signal is cut into blocks or on the
number of threads: encoding runs in float64, where rounding differences between such runs (1e-15)
are too small to move a latent across a boundary between two codes. Decoding runs in float32. Where
float64 is slow, as on most GPUs, and such differences do no harm, `Codec.exact` may be False.
"""

import copy
import hashlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.errors import ConfigError
from audiocodec.models.base import BaseCodec, DecodeStep, EncodeStep
from audiocodec.models.batch_size import encoder_batch_seconds
from audiocodec.models.config import CodecConfig
from audiocodec.models.inputs import ABSENT
from audiocodec.models.threads import torch_threads
from audiocodec.modules import DECODERS, ENCODERS
from audiocodec.modules.careful import exact_dtype
from audiocodec.modules.streaming import StreamState
from audiocodec.quantization import QUANTIZERS
from audiocodec.quantization.base import Quantized, Quantizer
from audiocodec.quantization.beams import best_sequences, has_sequences
from audiocodec.quantization.cache import WeightCache


class CodecOutput(NamedTuple):
    """waveform: (batch, 1, time), as long as the input; quantized: None when not quantizing."""

    waveform: Tensor
    quantized: Quantized | None


class Codec(nn.Module, BaseCodec[Tensor]):
    """A neural audio codec in PyTorch; `load_codec` gives a trained one.

    >>> import torch
    >>> from audiocodec import Codec, CodecConfig
    >>> codec = Codec(CodecConfig()).eval()  # untrained
    >>> waveform = 0.1 * torch.randn(24_000)  # (time,), one second
    >>> codes = codec.encode(waveform)
    >>> codes.shape, codes.dtype
    (torch.Size([8, 75]), torch.int64)
    >>> codec.decode(codes, num_samples=len(waveform)).shape
    torch.Size([24000])
    >>> codec.bitrate()  # bits/s of all quantizers
    6000.0

    Attributes:
        exact: encode in float64 where the device has it; in float32 batches, blocks and devices
            change a code here and there.
    """

    exact: bool = True

    def __init__(self, config: CodecConfig, name: str = "unnamed") -> None:
        super().__init__()
        self.config, self.name = config, name
        self.folder: Path | None = None  # that it was loaded from
        self.sample_rate, self.hop_length = config.sample_rate, config.hop_length
        self.encoder: Any = ENCODERS.build(config.encoder, config.latent_dim)
        self.quantizer: Quantizer = QUANTIZERS.build(config.quantizer, config.latent_dim)
        self.decoder: Any = DECODERS.build(config.decoder, config.latent_dim, self.hop_length)
        self._exact: WeightCache[tuple[Any, Any]] = WeightCache()
        self._added: WeightCache[list[Tensor]] = WeightCache()

    @property
    def runtime(self) -> str:
        return "torch" if self.exact else "torch-float32"

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return self.quantizer.codebook_sizes

    @property
    def delay(self) -> int:
        return int(self.decoder.delay)

    @property
    def encoder_causal(self) -> bool:
        return bool(self.encoder.causal)

    @property
    def decoder_causal(self) -> bool:
        return bool(self.decoder.causal)

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def weight_hash(self) -> str:
        """16 hexadecimal digits that name the weights (SHA-256 of names and float32 values).

        The configuration is left out: an option that a later version adds must not make the codes
        of a model unreadable.
        """
        digest = hashlib.sha256()
        for name, tensor in sorted(self.state_dict().items()):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().float().contiguous().numpy().data)
        return digest.hexdigest()[:16]

    def forward(
        self,
        waveform: Tensor,
        num_quantizers: int | Tensor | None = None,
        quantize: bool = True,
        draws: int = 1,
    ) -> CodecOutput:
        """Reconstruct with gradients (batch, 1, time); without `quantize`, an autoencoder.

        With several `draws` the output has (draws * batch, 1, time): each row, with other noise.
        """
        num_samples = waveform.shape[-1]
        latent = self.encoder(self._padded(waveform))
        quantized = self.quantizer(latent, num_quantizers) if quantize else None
        latent = latent if quantized is None else quantized.latent
        delay = self.decoder.delay
        options = {} if draws == 1 else {"draws": draws}
        output = self.decoder(F.pad(latent, (0, delay)), **options)[..., delay * self.hop_length :]
        return CodecOutput(output[..., :num_samples], quantized)

    def encoding(self) -> EncodeStep:
        encoder, quantizer = self.exact_encoder()
        beams, vectors = self.beams, self._vectors() if self.beams > 1 else []
        device, dtype = self.device, self.encoding_dtype

        @torch.inference_mode()
        def step(
            waveform: np.ndarray, num_quantizers: int, state: StreamState | None = None
        ) -> np.ndarray:
            latent = encoder(_tensor(waveform).to(device, dtype), state)
            if beams > 1:
                found = best_sequences(latent, vectors[:num_quantizers], beams)
            else:
                found = quantizer.encode(latent, num_quantizers)
            codes: np.ndarray = found.cpu().numpy()
            return codes

        return step

    def decoding(self) -> DecodeStep:
        @torch.inference_mode()
        def step(codes: np.ndarray, state: StreamState | None = None) -> np.ndarray:
            latent = self._latent(_tensor(codes).to(self.device))
            waveform: np.ndarray = self.decoder(latent, state).cpu().numpy()
            return waveform

        return step

    def _latent(self, codes: Tensor) -> Tensor:
        """(batch, latent_dim, frames) of codes (batch, n, frames), of which the last of a frame may
        be absent.
        """
        counts = (codes != ABSENT).sum(1)
        if bool((counts == codes.shape[1]).all()):
            return self.quantizer.decode(codes)
        latent = torch.zeros(len(codes), self.config.latent_dim, codes.shape[2], device=self.device)
        for count in counts.unique().tolist():
            if count:
                own = self.quantizer.decode(codes[:, :count].clamp(min=0))
                latent = torch.where((counts == count).unsqueeze(1), own, latent)
        return latent

    def new_state(self) -> StreamState:
        return StreamState()

    def own(self, array: np.ndarray) -> Tensor:
        return _tensor(array).to(self.device)

    def threads(self, count: int | None) -> AbstractContextManager[None]:
        """PyTorch's number of threads is one for the whole process."""
        return torch_threads(count)

    def batch_seconds(self) -> float:
        encoder, _ = self.exact_encoder()
        return encoder_batch_seconds(encoder, self.hop_length, self.frame_rate)

    def costs(self) -> dict[str, Any]:
        from audiocodec.models.cost import macs_per_second, num_parameters

        parts = {"encoder": self.encoder, "quantizer": self.quantizer, "decoder": self.decoder}
        macs = macs_per_second(self)
        return {
            "parameters": {name: num_parameters(part) for name, part in parts.items()}
            | {"total": num_parameters(self)},
            "macs_per_second_of_audio": {
                "encode": round(macs.encode),
                "decode": round(macs.decode),
                "total": round(sum(macs)),
            },
        }

    def _padded(self, waveform: Tensor) -> Tensor:
        """Whole hops; as it is for an encoder that needs the whole signal and pads it itself."""
        return pad_to_hop(waveform, self.hop_length) if self.encoder.causal else waveform

    def _prepare_beams(self, beams: int) -> None:
        if beams > 1 and not has_sequences(self.quantizer):
            kind = QUANTIZERS.kind_of(self.config.quantizer)
            raise ConfigError(
                f"{self.name} (quantizer {kind}) cannot be searched with beams: they are for "
                "several stages, each of which takes the code that is nearest to what is left"
            )

    def _vectors(self) -> list[Tensor]:
        """What each code adds, in the encoding precision, made again when a weight has changed."""
        _, quantizer = self.exact_encoder()
        return self._added.get(quantizer.state_dict().values(), quantizer.vectors)

    @property
    def encoding_dtype(self) -> torch.dtype:
        """The precision that encoding runs in on this device."""
        return exact_dtype(self.device) if self.exact else torch.float32

    def exact_encoder(self) -> tuple[Any, Any]:
        """Encoder and quantizer in the encoding precision, rebuilt when a weight has changed."""
        tensors = [*self.encoder.state_dict().values(), *self.quantizer.state_dict().values()]

        def make() -> tuple[Any, Any]:
            parts = copy.deepcopy(self.encoder), copy.deepcopy(self.quantizer)
            encoder, quantizer = (part.to(self.encoding_dtype).eval() for part in parts)
            return encoder, quantizer

        return self._exact.get(tensors, make, self.encoding_dtype)


def _tensor(array: np.ndarray) -> Tensor:
    # Torch takes no negative strides, and warns of memory that it must not write.
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def pad_to_hop(waveform: Tensor, hop_length: int) -> Tensor:
    """(..., time) with zeros up to the next whole hop."""
    return F.pad(waveform, (0, -waveform.shape[-1] % hop_length))
