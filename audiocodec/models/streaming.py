"""Waveforms and codes that arrive in pieces of any size; results leave as soon as they are known.

A stream gives what `Codec.encode` and `Codec.decode` give for the whole: they are one code path
(modules/streaming.py). Each stream is an object of its own, so streams may start and end when they
like; `push_each` and `flush_each` run several, of one codec, as one batch.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from audiocodec.errors import AudioError, CodeFileError, ConfigError
from audiocodec.models.codec import BLOCK_FRAMES, Codec
from audiocodec.models.inputs import code_batch, waveform_batch
from audiocodec.modules.streaming import StreamState


class _Queue:
    """What a stream has been given and no layer has seen yet, (1, channels, steps); its past."""

    def __init__(self, empty: Tensor, unit: int) -> None:
        self.waiting, self.unit = empty, unit  # `unit` steps are a frame
        self.state = StreamState()

    @property
    def frames(self) -> int:
        """Whole frames that wait."""
        return self.waiting.shape[-1] // self.unit

    def put(self, x: Tensor) -> None:
        self.waiting = torch.cat([self.waiting, x], dim=-1)

    def take(self, frames: int) -> Tensor:
        taken = self.waiting[..., : frames * self.unit]
        rest = self.waiting[..., frames * self.unit :]
        self.waiting = rest if rest.shape[-1] >= self.unit else rest.clone()  # frees the large one
        return taken


def _run(
    queues: Sequence[_Queue], step: Callable[[Tensor, StreamState], Tensor], empty: Tensor
) -> list[Tensor]:
    """`step` over all whole frames of all queues, as many streams at once as have some.

    Returns:
        for each queue its results, one after the other on the last axis, after `empty`.
    """
    outputs = [[empty] for _ in queues]
    while rows := [row for row, queue in enumerate(queues) if queue.frames]:
        most = max(1, BLOCK_FRAMES // len(rows))
        frames = min(most, *(queues[row].frames for row in rows))
        x = torch.cat([queues[row].take(frames) for row in rows])
        state = StreamState.join([queues[row].state for row in rows])
        results = step(x, state).split(1)
        for row, result, own in zip(rows, results, state.split(len(rows)), strict=True):
            outputs[row].append(result[0])
            queues[row].state = own
    return [torch.cat(parts, dim=-1) for parts in outputs]


class StreamEncoder:
    """One waveform in pieces to codes.

    >>> import torch
    >>> from audiocodec import StreamDecoder, StreamEncoder, load_codec
    >>> codec = load_codec()
    >>> encoder, decoder = StreamEncoder(codec), StreamDecoder(codec)
    >>> for piece in torch.zeros(1_000).split(400):  # as samples arrive
    ...     codes = encoder.push(piece)  # (num_quantizers, frames): 0 frames are possible
    ...     heard = decoder.push(codes)  # (time,)
    >>> codes = encoder.flush()
    """

    def __init__(self, codec: Codec, num_quantizers: int | None = None) -> None:
        self.codec = codec
        self.num_quantizers = codec.resolve_num_quantizers(num_quantizers)
        if not codec.encoder.causal:
            raise ConfigError(f"{codec.name} cannot stream: its encoder needs the whole waveform")
        self._encoder, self._quantizer = codec.exact_encoder()
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next piece starts a new stream."""
        dtype = next(self._encoder.parameters()).dtype
        empty = torch.zeros(1, 1, 0, dtype=dtype, device=self.codec.device)
        self._queue = _Queue(empty, self.codec.hop_length)

    def push(self, waveform: Tensor | np.ndarray) -> Tensor:
        """The next samples (time,), any number, to the codes that they determine.

        Returns:
            int64 (num_quantizers, frames); a frame is determined by the last of its samples.

        Raises:
            AudioError: NaN or infinite samples, or a shape other than this.
        """
        return self.push_each([self], [waveform])[0]

    def flush(self) -> Tensor:
        """The codes of what is left at the end, 0 or 1 frames; the stream then starts anew."""
        return self.flush_each([self])[0]

    @staticmethod
    @torch.inference_mode()
    def push_each(
        streams: Sequence["StreamEncoder"], waveforms: Sequence[Tensor | np.ndarray]
    ) -> list[Tensor]:
        """`push` a piece, of its own length, to each stream."""
        for stream, waveform in zip(streams, waveforms, strict=True):
            if waveform.ndim != 1:
                raise AudioError(f"piece is {tuple(waveform.shape)}; give samples (time,)")
            if len(waveform):
                stream._queue.put(waveform_batch(waveform)[0].to(stream._queue.waiting))
        return StreamEncoder._advance(streams)

    @staticmethod
    @torch.inference_mode()
    def flush_each(streams: Sequence["StreamEncoder"]) -> list[Tensor]:
        """`flush` each stream."""
        for stream in streams:
            missing = -stream._queue.waiting.shape[-1] % stream.codec.hop_length
            stream._queue.put(stream._queue.waiting.new_zeros(1, 1, missing))
        codes = StreamEncoder._advance(streams)
        for stream in streams:
            stream.reset()
        return codes

    @staticmethod
    def _advance(streams: Sequence["StreamEncoder"]) -> list[Tensor]:
        first = streams[0]
        stages = max(stream.num_quantizers for stream in streams)

        def step(waveform: Tensor, state: StreamState) -> Tensor:
            codes: Tensor = first._quantizer.encode(first._encoder(waveform, state), stages)
            return codes

        empty = torch.zeros(stages, 0, dtype=torch.int64, device=first.codec.device)
        codes = _run([stream._queue for stream in streams], step, empty)
        return [own[: stream.num_quantizers] for stream, own in zip(streams, codes, strict=True)]


class StreamDecoder:
    """Codes in pieces to one waveform.

    It is `Codec.decoder.delay` frames late: that many are still owed at the end, see `flush`.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        if not codec.decoder.causal:
            raise ConfigError(f"{codec.name} cannot stream: its decoder needs the whole utterance")
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next piece starts a new stream."""
        codec = self.codec
        empty = torch.zeros(1, codec.config.latent_dim, 0, device=codec.device)
        self._queue = _Queue(empty, 1)
        self._received = 0  # samples that the codes so far stand for
        self._emitted = (
            -codec.decoder.delay * codec.hop_length
        )  # the first blocks are not signal yet

    def push(self, codes: Tensor | np.ndarray, num_samples: int | None = None) -> Tensor:
        """The next codes (n, frames), any number, to the samples that they determine.

        Args:
            codes: of the first n stages; n may change from piece to piece.
            num_samples: what the codes stand for, default whole frames; fewer end the stream
                within its last frame.

        Returns:
            float32 (time,); the samples of a frame are determined `delay` frames later.

        Raises:
            CodeFileError: codes out of range or of a shape other than this, or after the end.
        """
        return self.push_each([self], [codes], [num_samples])[0]

    def flush(self) -> Tensor:
        """The samples that are left at the end; the stream then starts anew."""
        return self.flush_each([self])[0]

    @staticmethod
    @torch.inference_mode()
    def push_each(
        streams: Sequence["StreamDecoder"],
        codes: Sequence[Tensor | np.ndarray],
        num_samples: Sequence[int | None] | None = None,
    ) -> list[Tensor]:
        """`push` a piece, of its own length, to each stream."""
        lengths = [None] * len(streams) if num_samples is None else num_samples
        for stream, piece, length in zip(streams, codes, lengths, strict=True):
            stream._put(piece, length)
        return StreamDecoder._advance(streams)

    @staticmethod
    @torch.inference_mode()
    def flush_each(streams: Sequence["StreamDecoder"]) -> list[Tensor]:
        """`flush` each stream."""
        for stream in streams:
            if stream._received:
                stream._queue.put(stream._silence(stream.codec.decoder.delay))
        waveforms = StreamDecoder._advance(streams)
        for stream in streams:
            stream.reset()
        return waveforms

    def _put(self, codes: Tensor | np.ndarray, num_samples: int | None) -> None:
        if codes.ndim != 2:
            raise CodeFileError(f"piece is {tuple(codes.shape)}; give codes (quantizers, frames)")
        hop, frames = self.codec.hop_length, codes.shape[1]
        if num_samples is not None and -(-num_samples // hop) != frames:
            raise CodeFileError(f"{frames} frames of {hop} samples are not {num_samples} samples")
        if frames == 0:
            return
        if self._received % hop:
            raise CodeFileError("codes after the end of the stream; flush or reset it first")
        batch, _ = code_batch(codes, self.codec.codebook_sizes, self.codec.name)
        self._queue.put(self.codec.quantizer.decode(batch.to(self.codec.device)))
        self._received += frames * hop if num_samples is None else num_samples

    def _silence(self, frames: int) -> Tensor:
        return F.pad(self._queue.waiting[..., :0], (0, frames))

    @staticmethod
    def _advance(streams: Sequence["StreamDecoder"]) -> list[Tensor]:
        codec = streams[0].codec
        empty = torch.zeros(1, 0, device=codec.device)
        waveforms = _run([stream._queue for stream in streams], codec.decoder, empty)
        return [
            stream._own(waveform[0]) for stream, waveform in zip(streams, waveforms, strict=True)
        ]

    def _own(self, waveform: Tensor) -> Tensor:
        """The samples of the stream itself, without those before its start and after its end."""
        start, self._emitted = self._emitted, self._emitted + len(waveform)
        return waveform[max(0, -start) : max(0, self._received - start)]
