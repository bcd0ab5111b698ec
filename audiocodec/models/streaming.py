"""Waveforms and codes that arrive in pieces of any size; results leave as soon as they are known.

A stream gives what `encode` and `decode` of a codec give for the whole: they are one code path, in
which layers keep their past in a state. Each stream is an object of its own, so streams may start
and end when they like; `push_each` and `flush_each` run several, of one codec, as one batch.
"""

from collections.abc import Callable, Sequence
from typing import Any, Generic

import numpy as np

from audiocodec.errors import AudioError, CodeFileError, ConfigError
from audiocodec.models.base import BLOCK_FRAMES, Array, BaseCodec, State
from audiocodec.models.inputs import ABSENT, code_batch, padded, plain, waveform_batch


class _Queue:
    """What a stream has been given and no layer has seen yet, (1, channels, steps); its past."""

    def __init__(self, empty: np.ndarray, unit: int, state: State) -> None:
        self.waiting, self.unit = empty, unit  # `unit` steps are a frame
        self.state = state

    @property
    def frames(self) -> int:
        """Whole frames that wait."""
        return int(self.waiting.shape[-1]) // self.unit

    def put(self, x: np.ndarray) -> None:
        self.waiting = np.concatenate([self.waiting, x], axis=-1)

    def take(self, frames: int) -> np.ndarray:
        taken = self.waiting[..., : frames * self.unit]
        rest = self.waiting[..., frames * self.unit :]
        self.waiting = rest if rest.shape[-1] >= self.unit else rest.copy()  # frees the large one
        return taken


def _run(
    queues: Sequence[_Queue], step: Callable[[np.ndarray, Any], np.ndarray], empty: np.ndarray
) -> list[np.ndarray]:
    """`step` over all whole frames of all queues, as many streams at once as have some.

    Returns:
        for each queue its results, one after the other on the last axis, after `empty`.
    """
    outputs = [[empty] for _ in queues]
    while rows := [row for row, queue in enumerate(queues) if queue.frames]:
        most = max(1, BLOCK_FRAMES // len(rows))
        frames = min(most, *(queues[row].frames for row in rows))
        x = np.concatenate([queues[row].take(frames) for row in rows])
        state = queues[rows[0]].state.join([queues[row].state for row in rows])
        results = step(x, state)
        for row, result, own in zip(rows, results, state.split(len(rows)), strict=True):
            outputs[row].append(result)
            queues[row].state = own
    return [np.concatenate(parts, axis=-1) for parts in outputs]


class StreamEncoder(Generic[Array]):
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

    def __init__(self, codec: BaseCodec[Array], num_quantizers: int | None = None) -> None:
        self.codec = codec
        self.num_quantizers = codec.resolve_num_quantizers(num_quantizers)
        if not codec.encoder_causal:
            raise ConfigError(f"{codec.name} cannot stream: its encoder needs the whole waveform")
        self._encode = codec.encoding()
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next piece starts a new stream."""
        empty = np.zeros((1, 1, 0), dtype=np.float32)
        self._queue = _Queue(empty, self.codec.hop_length, self.codec.new_state())

    def push(self, waveform: Any) -> Array:
        """The next samples (time,), any number, to the codes that they determine.

        Returns:
            int64 (num_quantizers, frames); a frame is determined by the last of its samples.

        Raises:
            AudioError: NaN or infinite samples, or a shape other than this.
        """
        return self.push_each([self], [waveform])[0]

    def flush(self) -> Array:
        """The codes of what is left at the end, 0 or 1 frames; the stream then starts anew."""
        return self.flush_each([self])[0]

    @staticmethod
    def push_each(
        streams: "Sequence[StreamEncoder[Array]]", waveforms: Sequence[Any]
    ) -> list[Array]:
        """`push` a piece, of its own length, to each stream."""
        for stream, waveform in zip(streams, waveforms, strict=True):
            if waveform.ndim != 1:
                raise AudioError(f"piece is {tuple(waveform.shape)}; give samples (time,)")
            if len(waveform):
                stream._queue.put(waveform_batch(waveform)[0])
        return StreamEncoder._advance(streams)

    @staticmethod
    def flush_each(streams: "Sequence[StreamEncoder[Array]]") -> list[Array]:
        """`flush` each stream."""
        for stream in streams:
            waiting, hop = stream._queue.waiting, stream.codec.hop_length
            stream._queue.waiting = padded(waiting, -(-waiting.shape[-1] // hop) * hop)
        codes = StreamEncoder._advance(streams)
        for stream in streams:
            stream.reset()
        return codes

    @staticmethod
    def _advance(streams: "Sequence[StreamEncoder[Array]]") -> list[Array]:
        counts = {stream.num_quantizers for stream in streams}
        if len(counts) > 1 and streams[0].codec.beams > 1:  # codes of fewer stages are others
            return [StreamEncoder._advance([stream])[0] for stream in streams]
        encode, stages = streams[0]._encode, max(counts)

        def step(waveform: np.ndarray, state: State) -> np.ndarray:
            return encode(waveform, stages, state)

        empty = np.zeros((stages, 0), dtype=np.int64)
        codes = _run([stream._queue for stream in streams], step, empty)
        return [
            stream.codec.own(rows[: stream.num_quantizers])
            for stream, rows in zip(streams, codes, strict=True)
        ]


class StreamDecoder(Generic[Array]):
    """Codes in pieces to one waveform.

    It is `codec.delay` frames late: that many are still owed at the end, see `flush`.
    """

    def __init__(self, codec: BaseCodec[Array]) -> None:
        self.codec = codec
        if not codec.decoder_causal:
            raise ConfigError(f"{codec.name} cannot stream: its decoder needs the whole utterance")
        self._decode = codec.decoding()
        self.reset()

    def reset(self) -> None:
        """Forget everything; the next piece starts a new stream."""
        codec = self.codec
        empty = np.zeros((1, codec.num_quantizers, 0), dtype=np.int64)
        self._queue = _Queue(empty, 1, codec.new_state())
        self._received = 0  # samples that the codes so far stand for
        self._emitted = -codec.delay * codec.hop_length  # the first blocks are not signal yet

    def push(self, codes: Any, num_samples: int | None = None) -> Array:
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

    def flush(self) -> Array:
        """The samples that are left at the end; the stream then starts anew."""
        return self.flush_each([self])[0]

    @staticmethod
    def push_each(
        streams: "Sequence[StreamDecoder[Array]]",
        codes: Sequence[Any],
        num_samples: Sequence[int | None] | None = None,
    ) -> list[Array]:
        """`push` a piece, of its own length, to each stream."""
        lengths = [None] * len(streams) if num_samples is None else num_samples
        for stream, piece, length in zip(streams, codes, lengths, strict=True):
            stream._put(piece, length)
        return StreamDecoder._advance(streams)

    @staticmethod
    def flush_each(streams: "Sequence[StreamDecoder[Array]]") -> list[Array]:
        """`flush` each stream."""
        for stream in streams:
            if stream._received:
                stages, delay = stream.codec.num_quantizers, stream.codec.delay
                stream._queue.put(np.full((1, stages, delay), ABSENT))
        waveforms = StreamDecoder._advance(streams)
        for stream in streams:
            stream.reset()
        return waveforms

    def _put(self, codes: Any, num_samples: int | None) -> None:
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
        # What waits has a row for every stage, since the number may change.
        rows = padded(batch.swapaxes(1, 2), self.codec.num_quantizers, ABSENT).swapaxes(1, 2)
        self._queue.put(rows)
        self._received += frames * hop if num_samples is None else num_samples

    @staticmethod
    def _advance(streams: "Sequence[StreamDecoder[Array]]") -> list[Array]:
        empty = np.zeros((1, 0), dtype=np.float32)
        waveforms = _run([stream._queue for stream in streams], streams[0]._decode, empty)
        return [
            stream.codec.own(stream._heard(waveform[0]))
            for stream, waveform in zip(streams, waveforms, strict=True)
        ]

    def _heard(self, waveform: np.ndarray) -> np.ndarray:
        """The samples of the stream itself, without those before its start and after its end."""
        start, self._emitted = self._emitted, self._emitted + len(waveform)
        return waveform[max(0, -start) : max(0, self._received - start)]


def rows_of(results: Sequence[Any]) -> np.ndarray:
    """What several streams of equal pieces gave, of any runtime, as one array (streams, ...)."""
    return np.stack([np.asarray(plain(result)) for result in results])
