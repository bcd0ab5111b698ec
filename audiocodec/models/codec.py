"""The codec: encoder, quantizer and decoder over waveforms of any length, alone or in batches.

Codes do not depend on what else is in the batch, on how the signal is cut into blocks or on the
number of threads: encoding runs in float64, where rounding differences between such runs (1e-15)
are too small to move a latent across a boundary between two codes. Decoding runs in float32.
"""

import copy
import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec import audio
from audiocodec.errors import AudioError, CodeFileError, ConfigError
from audiocodec.lengths import resampled_length
from audiocodec.models.config import CodecConfig
from audiocodec.models.inputs import (
    code_batch,
    pad_to_hop,
    row_lengths,
    silence_after,
    waveform_batch,
    whole_rate,
)
from audiocodec.modules import DECODERS, ENCODERS
from audiocodec.modules.streaming import StreamState
from audiocodec.quantization import QUANTIZERS
from audiocodec.quantization.base import Quantized, Quantizer
from audiocodec.quantization.cache import WeightCache

BLOCK_FRAMES = 1280  # frames of a whole batch that run at once: bounds the working memory


class CodecOutput(NamedTuple):
    """waveform: (batch, 1, time), as long as the input; quantized: None when not quantizing."""

    waveform: Tensor
    quantized: Quantized | None


class Codec(nn.Module):
    """A neural audio codec; `load_codec` gives a trained one.

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
    """

    def __init__(self, config: CodecConfig, name: str = "unnamed") -> None:
        super().__init__()
        self.config, self.name = config, name
        self.folder: Path | None = None  # that it was loaded from
        self.sample_rate, self.hop_length = config.sample_rate, config.hop_length
        self.encoder: Any = ENCODERS.build(config.encoder, config.latent_dim)
        self.quantizer: Quantizer = QUANTIZERS.build(config.quantizer, config.latent_dim)
        self.decoder: Any = DECODERS.build(config.decoder, config.latent_dim, self.hop_length)
        self._exact: WeightCache[tuple[Any, Any]] = WeightCache()

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    @property
    def codebook_sizes(self) -> tuple[int, ...]:
        return self.quantizer.codebook_sizes

    @property
    def num_quantizers(self) -> int:
        return self.quantizer.num_quantizers

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def latency_samples(self) -> int | None:
        """How far output lags input in a stream: its frame, and the frames the decoder waits for.

        Sample n can be heard once at most this many samples, n the first of them, have been
        received; the bound is met by the first sample of each frame. None for a codec that needs
        the whole signal and cannot stream.
        """
        if not (self.encoder.causal and self.decoder.causal):
            return None
        delay: int = self.decoder.delay
        return (delay + 1) * self.hop_length

    def bitrate(self, num_quantizers: int | None = None) -> float:
        """Nominal bits/s of codes of `num_quantizers` (default: all) stages."""
        sizes = self.codebook_sizes[: self.resolve_num_quantizers(num_quantizers)]
        return self.frame_rate * sum(math.log2(size) for size in sizes)

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

    @torch.inference_mode()
    def encode(
        self,
        waveform: Tensor | np.ndarray | str | Path,
        sample_rate: int | None = None,
        *,
        num_samples: Tensor | None = None,
        num_quantizers: int | None = None,
    ) -> Tensor:
        """Codes of a waveform.

        Args:
            waveform: (time,), (batch, time) or (batch, 1, time): float, nominally -1..1, or PCM as
                int16, int32 or uint8; or the path of an audio file, whose channels are averaged.
            sample_rate: of the waveform in Hz, a file's is its own; resampled if it is not the
                codec's.
            num_samples: (batch,) lengths of the rows when shorter ones are padded; what lies
                beyond is ignored. At the waveform's own rate.
            num_quantizers: stages to use, default all.

        Returns:
            int64 (num_quantizers, frames) for one waveform, else (batch, num_quantizers, frames);
            frames = ceil(time / hop_length).

        Raises:
            AudioError: an empty or non-finite waveform, a file that cannot be read, or a type,
                shape, length or rate other than these.
        """
        stages = self.resolve_num_quantizers(num_quantizers)
        if isinstance(waveform, str | Path):
            if sample_rate is not None or num_samples is not None:
                raise AudioError(f"{waveform}: a file has its own rate and length; give neither")
            return self.encode(
                audio.read_waveform(waveform, self.sample_rate)[0], num_quantizers=num_quantizers
            )
        sample_rate = None if sample_rate is None else whole_rate(sample_rate)
        batch, single = waveform_batch(waveform, rows=num_samples is not None)
        batch = batch.to(self.device)
        if num_samples is not None:
            num_samples = row_lengths(num_samples, batch, batch.shape[-1], AudioError)
            batch = silence_after(batch, num_samples)
        if sample_rate is not None and sample_rate != self.sample_rate:
            resampled = audio.resample(batch.cpu().numpy(), sample_rate, self.sample_rate)
            batch = torch.from_numpy(resampled).to(self.device)
            if num_samples is not None:  # the resampler rings beyond the end of a row
                num_samples = resampled_length(num_samples, sample_rate, self.sample_rate)
                batch = silence_after(batch, num_samples)
        encoder, quantizer = self.exact_encoder()
        padded = self._padded(batch).to(encoding_dtype(self.device))

        def step(piece: Tensor, state: StreamState | None) -> Tensor:
            codes: Tensor = quantizer.encode(encoder(piece, state), stages)
            return codes

        if encoder.causal:
            codes = self._in_blocks(step, padded, self.hop_length)
        else:
            codes = _whole_rows(lambda row: step(row, None), padded, num_samples)
            frames = -(-batch.shape[-1] // self.hop_length)
            codes = F.pad(codes, (0, frames - codes.shape[-1]))
        return codes[0] if single else codes

    @torch.inference_mode()
    def decode(self, codes: Tensor | np.ndarray, num_samples: int | Tensor | None = None) -> Tensor:
        """Waveform of codes; codes of fewer stages than the model has give a lower bitrate.

        Args:
            codes: (num_quantizers, frames) or (batch, num_quantizers, frames), integers.
            num_samples: exact length of the output, one for all or (batch,); default all frames.
                Rows end at their own length and are silent after it.

        Returns:
            float32 (time,) for one code sequence, else (batch, 1, time).

        Raises:
            CodeFileError: codes out of range, or of a shape or length other than these.
        """
        batch, single = code_batch(codes, self.codebook_sizes, self.name)
        batch = batch.to(self.device)
        whole = batch.shape[-1] * self.hop_length
        lengths = row_lengths(
            whole if num_samples is None else num_samples, batch, whole, CodeFileError
        )
        frames = -(-lengths // self.hop_length)
        latent = silence_after(self.quantizer.decode(batch), frames)
        delay = self.decoder.delay
        if self.decoder.causal:
            waveform = self._in_blocks(self.decoder, F.pad(latent, (0, delay)), 1)
        else:
            waveform = _whole_rows(lambda row: self.decoder(F.pad(row, (0, delay))), latent, frames)
        waveform = waveform[..., delay * self.hop_length :][..., : int(lengths.max())]
        waveform = silence_after(waveform, lengths)
        return waveform[0, 0] if single else waveform

    def reconstruct(
        self, waveform: Tensor | np.ndarray, num_quantizers: int | None = None
    ) -> Tensor:
        """`decode(encode(waveform))` of the waveform's exact length and shape."""
        codes = self.encode(waveform, num_quantizers=num_quantizers)
        return self.decode(codes, num_samples=waveform.shape[-1]).view(tuple(waveform.shape))

    def resolve_num_quantizers(self, num_quantizers: int | None) -> int:
        """`num_quantizers`, or all if it is None.

        Raises:
            ConfigError: the codec has not that many.
        """
        if num_quantizers is None:
            return self.num_quantizers
        if not 1 <= num_quantizers <= self.num_quantizers:
            raise ConfigError(
                f"{num_quantizers} quantizers asked for; {self.name} has 1 to {self.num_quantizers}"
            )
        return num_quantizers

    def _padded(self, waveform: Tensor) -> Tensor:
        """Whole hops; as it is for an encoder that needs the whole signal and pads it itself."""
        return pad_to_hop(waveform, self.hop_length) if self.encoder.causal else waveform

    def _in_blocks(self, step: Callable[[Tensor, Any], Tensor], x: Tensor, unit: int) -> Tensor:
        """`step` over the last axis of `x` in blocks of whole `unit`s, as one stream."""
        block = max(1, BLOCK_FRAMES // x.shape[0]) * unit
        if x.shape[-1] <= block:
            return step(x, None)
        state = StreamState()
        return torch.cat([step(piece, state) for piece in x.split(block, dim=-1)], dim=-1)

    def exact_encoder(self) -> tuple[Any, Any]:
        """Encoder and quantizer in the encoding precision, rebuilt when a weight has changed."""
        tensors = [*self.encoder.state_dict().values(), *self.quantizer.state_dict().values()]

        def make() -> tuple[Any, Any]:
            parts = copy.deepcopy(self.encoder), copy.deepcopy(self.quantizer)
            encoder, quantizer = (part.to(encoding_dtype(self.device)).eval() for part in parts)
            return encoder, quantizer

        return self._exact.get(tensors, make)


def _whole_rows(step: Callable[[Tensor], Tensor], x: Tensor, lengths: Tensor | None) -> Tensor:
    """`step` over (batch, channels, time) for a network that sees all of time at once.

    Rows of different lengths go through it one by one, without the padding that would change them.
    """
    if lengths is None or bool((lengths == x.shape[-1]).all()):
        return step(x)
    rows = [step(x[i : i + 1, :, :length]) for i, length in enumerate(lengths.tolist())]
    longest = max(row.shape[-1] for row in rows)
    return torch.cat([F.pad(row, (0, longest - row.shape[-1])) for row in rows])


def encoding_dtype(device: torch.device) -> torch.dtype:
    """float64 wherever the device has it."""
    return torch.float32 if device.type == "mps" else torch.float64
