"""A codec as all that lies above its layers sees it: arrays in, arrays out, whatever runs them.

Lengths, rates, batches, blocks, padding and the decoder's delay are dealt with here, once for every
runtime (`Codec` of PyTorch, the graphs of onnxruntime). What a runtime adds are two steps: blocks
of a waveform to codes, and codes to blocks of a waveform. Needs no PyTorch.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

import numpy as np

from audiocodec import audio
from audiocodec.errors import AudioError, CodeFileError, ConfigError
from audiocodec.lengths import resampled_length
from audiocodec.models.inputs import (
    ABSENT,
    code_batch,
    padded,
    row_lengths,
    silence_after,
    waveform_batch,
    whole_rate,
)

BLOCK_FRAMES = 1280  # frames of a whole batch that run at once: bounds the working memory

Array = TypeVar("Array")  # what a runtime gives callers: tensors or NumPy arrays


class State(Protocol):
    """What the layers of one direction remember of a stream; an empty one has heard silence."""

    @staticmethod
    def join(states: Sequence[Any]) -> Any:
        """The state of a batch from those of its rows."""

    def split(self, rows: int) -> Sequence[Any]:
        """The states of the rows of a batch."""


class EncodeStep(Protocol):
    """A waveform (batch, 1, whole hops) to int64 codes (batch, num_quantizers, frames).

    With a state it goes on from there and leaves the new past in it; without, from silence.
    """

    def __call__(
        self, waveform: np.ndarray, num_quantizers: int, state: Any = None
    ) -> np.ndarray: ...


class DecodeStep(Protocol):
    """int64 codes (batch, n, frames), some of them `ABSENT`, to float32 (batch, 1, time).

    The blocks come `delay` frames late; a frame of which all codes are absent is a latent of zeros.
    """

    def __call__(self, codes: np.ndarray, state: Any = None) -> np.ndarray: ...


class BaseCodec(ABC, Generic[Array]):
    """Encodes and decodes; `Array` is the kind of what it returns.

    Attributes:
        name: what people call the model.
        folder: that it was loaded from.
        sample_rate: in Hz.
        hop_length: samples in a frame.
        beams: sequences of codes that the search of a frame goes on with; see `use_beams`.
    """

    beams: int = 1
    name: str
    folder: Path | None
    sample_rate: int
    hop_length: int

    @property
    @abstractmethod
    def runtime(self) -> str:
        """What runs it, one of `folders.RUNTIMES`."""

    @property
    @abstractmethod
    def codebook_sizes(self) -> tuple[int, ...]:
        """How many codes each quantizer has."""

    @property
    @abstractmethod
    def weight_hash(self) -> str:
        """16 hexadecimal digits that name the weights; code files carry them."""

    @property
    @abstractmethod
    def delay(self) -> int:
        """Frames that the decoder is late."""

    @property
    @abstractmethod
    def encoder_causal(self) -> bool:
        """Whether the encoder can work by blocks; otherwise it needs the whole waveform."""

    @property
    @abstractmethod
    def decoder_causal(self) -> bool:
        """Whether the decoder can work by blocks; otherwise it needs the whole utterance."""

    @abstractmethod
    def encoding(self) -> EncodeStep:
        """The encoder with its weights as they are now."""

    @abstractmethod
    def decoding(self) -> DecodeStep:
        """The decoder with its weights as they are now."""

    @abstractmethod
    def new_state(self) -> State:
        """The state of a stream that has not begun."""

    @abstractmethod
    def own(self, array: np.ndarray) -> Array:
        """A NumPy array as the kind that this runtime returns."""

    @abstractmethod
    def threads(self, count: int | None) -> AbstractContextManager[None]:
        """Let the model use so many CPU threads inside the block; None leaves it as it is."""

    @abstractmethod
    def batch_seconds(self) -> float:
        """Seconds of audio that a CPU encodes fastest at once."""

    @abstractmethod
    def costs(self) -> dict[str, Any]:
        """Weights of each part, and multiply-accumulates per second of audio."""

    @abstractmethod
    def _prepare_beams(self, beams: int) -> None:
        """Get ready to search with so many; raises ConfigError where that is not possible."""

    def use_beams(self, beams: int) -> None:
        """Choose the codes of a frame together from now on, by a beam search over its stages.

        Better sound at the same bitrate, and slower. 1, the default, takes the nearest code of
        each stage. Decoders and code files are the same. Codes of fewer stages are then not the
        first ones of more: encode at the bitrate that you want.

        Raises:
            ConfigError: fewer than 1, more than a codebook has codes, or a quantizer whose codes
                are no sequence of nearest ones.
        """
        if not 1 <= beams <= min(self.codebook_sizes):
            raise ConfigError(
                f"{beams} beams asked for; {self.name} has 1 to {min(self.codebook_sizes)}"
            )
        self._prepare_beams(beams)
        self.beams = beams

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.hop_length

    @property
    def num_quantizers(self) -> int:
        """Codes of a frame."""
        return len(self.codebook_sizes)

    @property
    def latency_samples(self) -> int | None:
        """How far output lags input in a stream: its frame, and the frames the decoder waits for.

        Sample n can be heard once at most this many samples, n the first of them, have been
        received; the bound is met by the first sample of each frame. None for a codec that needs
        the whole signal and cannot stream.
        """
        if not (self.encoder_causal and self.decoder_causal):
            return None
        return (self.delay + 1) * self.hop_length

    def bitrate(self, num_quantizers: int | None = None) -> float:
        """Nominal bits/s of codes of `num_quantizers` (default: all) stages."""
        sizes = self.codebook_sizes[: self.resolve_num_quantizers(num_quantizers)]
        return self.frame_rate * sum(math.log2(size) for size in sizes)

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

    def encode(
        self,
        waveform: Any,
        sample_rate: int | None = None,
        *,
        num_samples: Any = None,
        num_quantizers: int | None = None,
    ) -> Array:
        """Codes of a waveform.

        Args:
            waveform: (time,), (batch, time) or (batch, 1, time), array or tensor: float, nominally
                -1..1, or PCM as int16, int32 or uint8; or the path of an audio file, whose channels
                are averaged.
            sample_rate: of the waveform in Hz, a file's is its own; resampled if it is not the
                codec's.
            num_samples: (batch,) lengths of the rows when shorter ones are padded; what lies
                beyond is ignored. At the waveform's own rate.
            num_quantizers: stages to use, default all.

        Returns:
            int64 (num_quantizers, frames) for one waveform, else (batch, num_quantizers, frames);
            frames = ceil(time / hop_length). A tensor with PyTorch, else an array.

        Raises:
            AudioError: an empty or non-finite waveform, a file that cannot be read, or a type,
                shape, length or rate other than these.
        """
        return self.own(
            self.encode_array(
                waveform, sample_rate, num_samples=num_samples, num_quantizers=num_quantizers
            )
        )

    def decode(self, codes: Any, num_samples: Any = None) -> Array:
        """Waveform of codes; codes of fewer stages than the model has give a lower bitrate.

        Args:
            codes: (num_quantizers, frames) or (batch, num_quantizers, frames), integers.
            num_samples: exact length of the output, one for all or (batch,); default all frames.
                Rows end at their own length and are silent after it.

        Returns:
            float32 (time,) for one code sequence, else (batch, 1, time). A tensor with PyTorch,
            else an array.

        Raises:
            CodeFileError: codes out of range, or of a shape or length other than these.
        """
        return self.own(self.decode_array(codes, num_samples))

    def reconstruct(self, waveform: Any, num_quantizers: int | None = None) -> Array:
        """`decode(encode(waveform))` of the waveform's exact length and shape."""
        codes = self.encode_array(waveform, num_quantizers=num_quantizers)
        decoded = self.decode_array(codes, num_samples=waveform.shape[-1])
        return self.own(decoded.reshape(tuple(waveform.shape)))

    def encode_array(
        self,
        waveform: Any,
        sample_rate: int | None = None,
        *,
        num_samples: Any = None,
        num_quantizers: int | None = None,
    ) -> np.ndarray:
        """`encode` to a NumPy array."""
        stages = self.resolve_num_quantizers(num_quantizers)
        if isinstance(waveform, str | Path):
            if sample_rate is not None or num_samples is not None:
                raise AudioError(f"{waveform}: a file has its own rate and length; give neither")
            waveform = audio.read_waveform(waveform, self.sample_rate)[0]
        rate = self.sample_rate if sample_rate is None else whole_rate(sample_rate)
        batch, single = waveform_batch(waveform, rows=num_samples is not None)
        lengths = None
        if num_samples is not None:
            lengths = row_lengths(num_samples, len(batch), batch.shape[-1], AudioError)
            batch = silence_after(batch, lengths)
        if rate != self.sample_rate:
            batch = audio.resample(batch, rate, self.sample_rate)
            if lengths is not None:  # the resampler rings beyond the end of a row
                lengths = resampled_length(lengths, rate, self.sample_rate)
                batch = silence_after(batch, lengths)
        codes = self._codes(batch, lengths, stages)
        return codes[0] if single else codes

    def _codes(self, batch: np.ndarray, lengths: np.ndarray | None, stages: int) -> np.ndarray:
        encode, hop = self.encoding(), self.hop_length
        frames = -(-batch.shape[-1] // hop)
        if self.encoder_causal:

            def step(piece: np.ndarray, state: Any = None) -> np.ndarray:
                return encode(piece, stages, state)

            return self._in_blocks(step, padded(batch, frames * hop), hop)
        # Such an encoder pads the whole signal itself.
        return padded(_whole_rows(lambda row: encode(row, stages), batch, lengths), frames)

    def decode_array(self, codes: Any, num_samples: Any = None) -> np.ndarray:
        """`decode` to a NumPy array."""
        batch, single = code_batch(codes, self.codebook_sizes, self.name)
        whole = batch.shape[-1] * self.hop_length
        given = whole if num_samples is None else num_samples
        lengths = row_lengths(given, len(batch), whole, CodeFileError)
        frames, delay = -(-lengths // self.hop_length), self.delay
        batch, decode = silence_after(batch, frames, ABSENT), self.decoding()

        def late(row: np.ndarray) -> np.ndarray:
            return padded(row, row.shape[-1] + delay, ABSENT)

        if self.decoder_causal:
            waveform = self._in_blocks(decode, late(batch), 1)
        else:
            waveform = _whole_rows(lambda row: decode(late(row)), batch, frames)
        waveform = waveform[..., delay * self.hop_length :][..., : int(lengths.max())]
        waveform = silence_after(waveform, lengths)
        return waveform[0, 0] if single else waveform

    def _in_blocks(self, step: Callable[..., np.ndarray], x: np.ndarray, unit: int) -> np.ndarray:
        """`step` over the last axis of `x` in blocks of whole `unit`s, as one stream."""
        block = max(1, BLOCK_FRAMES // len(x)) * unit
        if x.shape[-1] <= block:
            return step(x)
        state, starts = self.new_state(), range(0, x.shape[-1], block)
        return np.concatenate([step(x[..., i : i + block], state) for i in starts], axis=-1)


AnyCodec: TypeAlias = BaseCodec[Any]


def _whole_rows(
    step: Callable[[np.ndarray], np.ndarray], x: np.ndarray, lengths: np.ndarray | None
) -> np.ndarray:
    """`step` over (batch, channels, time) for a network that sees all of time at once.

    Rows of different lengths go through it one by one, without the padding that would change them.
    """
    if lengths is None or (lengths == x.shape[-1]).all():
        return step(x)
    rows = [step(x[i : i + 1, :, :length]) for i, length in enumerate(lengths.tolist())]
    longest = max(row.shape[-1] for row in rows)
    return np.concatenate([padded(row, longest) for row in rows])
