"""Streams give what whole signals give, as soon as it is determined."""

import copy
from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from audiocodec.errors import AudioError, CodeFileError, ConfigError
from audiocodec.models.codec import Codec
from audiocodec.models.streaming import StreamDecoder, StreamEncoder
from tests.models.variants import VARIANTS, variant


@pytest.fixture(params=VARIANTS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return variant(request.param)


def noise(num_samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(num_samples, generator=torch.Generator().manual_seed(seed))


def encode_in_pieces(encoder: StreamEncoder, waveform: Tensor, sizes: Sequence[int]) -> Tensor:
    sizes = [*sizes, len(waveform) - sum(sizes)]
    codes = [encoder.push(piece) for piece in waveform.split(sizes)]
    return torch.cat([*codes, encoder.flush()], dim=-1)


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=0, atol=1e-5)


@pytest.mark.parametrize("sizes", [[], [1], [319, 1, 0, 640], [0, 5_000], [333] * 20])
def test_a_stream_in_pieces_is_the_whole(codec: Codec, sizes: list[int]) -> None:
    waveform = noise(7_001)
    codes = codec.encode(waveform)
    assert torch.equal(encode_in_pieces(StreamEncoder(codec), waveform, sizes), codes)

    decoder = StreamDecoder(codec)
    frames = [
        len(piece) // codec.hop_length for piece in waveform.split([*sizes, 7_001 - sum(sizes)])
    ]
    *pieces, last = codes.split([*frames[:-1], codes.shape[1] - sum(frames[:-1])], dim=-1)
    ends_at = 7_001 - sum(frames[:-1]) * codec.hop_length
    parts = [decoder.push(piece) for piece in pieces]
    parts += [decoder.push(last, num_samples=ends_at), decoder.flush()]
    close(torch.cat(parts), codec.decode(codes, num_samples=7_001))


def test_codes_and_samples_come_as_soon_as_they_are_determined(codec: Codec) -> None:
    hop, delay = codec.hop_length, codec.decoder.delay
    encoder, decoder = StreamEncoder(codec), StreamDecoder(codec)
    received = heard = 0
    lag = 0
    for piece in noise(8 * hop).split(hop // 32):
        received += len(piece)
        codes = encoder.push(piece)
        assert codes.shape[1] == (received % hop == 0)
        newly_heard = len(decoder.push(codes))
        if newly_heard:
            lag = max(lag, received - heard)
        heard += newly_heard
        assert heard == max(0, received // hop - delay) * hop
    assert lag == codec.latency_samples == (delay + 1) * hop


def test_an_impulse_is_not_heard_before_the_stated_latency(codec: Codec) -> None:
    exact = copy.deepcopy(codec).double()
    hop, latency = codec.hop_length, codec.latency_samples
    waveform = 0.1 * torch.randn(1, 1, (codec.decoder.delay + 6) * hop, dtype=torch.float64)
    before = exact(waveform, quantize=False).waveform
    leads = []
    start = waveform.shape[-1] - 2 * hop
    for position in (start, start + 1, start + hop // 2, start + hop - 1):
        struck = waveform.clone()
        struck[..., position] += 1
        changed = (exact(struck, quantize=False).waveform - before)[0, 0].nonzero()
        leads.append(position - int(changed[0]))
    assert max(leads) in (latency - 1, latency - 2)  # a window's first weight may be 0


def test_several_streams_with_different_starts_run_as_one_batch(codec: Codec) -> None:
    lengths, starts = [5_000, 3_333, 641], [0, 2, 3]
    waveforms = [noise(length, seed=length) for length in lengths]
    encoders = [StreamEncoder(codec) for _ in lengths]
    decoders = [StreamDecoder(codec) for _ in lengths]
    codes: list[list[Tensor]] = [[] for _ in lengths]
    heard: list[list[Tensor]] = [[] for _ in lengths]
    position = [0] * len(lengths)
    for tick in range(60):
        live = [row for row, start in enumerate(starts) if tick >= start]
        pieces = []
        for row in live:
            step = 100 + 37 * row + tick
            pieces.append(waveforms[row][position[row] : position[row] + step])
            position[row] += step
        new = StreamEncoder.push_each([encoders[row] for row in live], pieces)
        out = StreamDecoder.push_each([decoders[row] for row in live], new)
        for row, frames, samples in zip(live, new, out, strict=True):
            codes[row].append(frames)
            heard[row].append(samples)
    last = StreamEncoder.flush_each(encoders)
    ends = [length % codec.hop_length for length in lengths]
    for row, samples in enumerate(StreamDecoder.push_each(decoders, last, ends)):
        heard[row].append(samples)
    for row, samples in enumerate(StreamDecoder.flush_each(decoders)):
        whole = codec.encode(waveforms[row])
        assert torch.equal(torch.cat([*codes[row], last[row]], dim=-1), whole)
        close(torch.cat([*heard[row], samples]), codec.decode(whole, num_samples=lengths[row]))


def test_a_flushed_or_reset_stream_starts_anew(codec: Codec) -> None:
    encoder, decoder = StreamEncoder(codec), StreamDecoder(codec)
    waveform = noise(2_000)
    codes = codec.encode(waveform)
    for _ in range(2):
        assert torch.equal(encode_in_pieces(encoder, waveform, [700]), codes)
        close(torch.cat([decoder.push(codes), decoder.flush()]), codec.decode(codes))
    encoder.push(noise(500, seed=1))
    decoder.push(codes)
    encoder.reset()
    decoder.reset()
    assert torch.equal(encode_in_pieces(encoder, waveform, []), codes)
    close(torch.cat([decoder.push(codes), decoder.flush()]), codec.decode(codes))


def test_an_empty_stream_has_no_codes_and_no_samples(codec: Codec) -> None:
    assert StreamEncoder(codec).flush().shape == (codec.num_quantizers, 0)
    assert StreamDecoder(codec).flush().shape == (0,)


def test_the_bitrate_may_change_within_a_stream() -> None:
    codec = variant("mdct")
    codes = codec.encode(noise(6_400))
    decoder = StreamDecoder(codec)
    parts = [decoder.push(codes[:1, :10]), decoder.push(codes[:, 10:]), decoder.flush()]
    latent = [
        codec.quantizer.decode(codes[None, :1, :10]),
        codec.quantizer.decode(codes[None, :, 10:]),
    ]
    expected = codec.decoder(torch.nn.functional.pad(torch.cat(latent, -1), (0, 1)))
    close(torch.cat(parts), expected[0, 0, codec.hop_length :])
    few = StreamEncoder(codec, num_quantizers=2)
    assert torch.equal(few.push(noise(6_400)), codes[:2])


def test_a_long_piece_is_worked_off_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    codec = variant("lookahead")
    waveform = noise(9_000)
    codes = codec.encode(waveform)
    monkeypatch.setattr("audiocodec.models.streaming.BLOCK_FRAMES", 4)
    assert torch.equal(encode_in_pieces(StreamEncoder(codec), waveform, []), codes)


def test_a_stream_keeps_no_more_than_its_past() -> None:
    codec = variant("seanet_lstm")
    encoder = StreamEncoder(codec)
    sizes = []
    for length in (32_000, 320_000):
        encoder.push(noise(length + 7))
        tensors = [tensor for past in encoder._queue.state._past.values() for tensor in past]
        waiting = encoder._queue.waiting
        assert waiting.base is None  # no view, which would keep the whole piece
        sizes.append(waiting.nbytes + sum(t.untyped_storage().nbytes() for t in tensors))
    assert max(sizes) - min(sizes) < 1_000  # bytes


def test_bad_pieces_are_refused() -> None:
    codec = variant("mdct")
    with pytest.raises(AudioError, match="NaN"):
        StreamEncoder(codec).push(torch.tensor([float("nan")]))
    with pytest.raises(AudioError, match="time"):
        StreamEncoder(codec).push(np.zeros((1, 100), np.float32))
    with pytest.raises(CodeFileError, match="outside"):
        StreamDecoder(codec).push(torch.full((3, 1), 99))
    with pytest.raises(CodeFileError, match="frames"):
        StreamDecoder(codec).push(torch.zeros(3, 1, 1, dtype=torch.int64))
    with pytest.raises(CodeFileError, match="700 samples"):
        StreamDecoder(codec).push(torch.zeros(3, 2, dtype=torch.int64), num_samples=700)
    decoder = StreamDecoder(codec)
    decoder.push(torch.zeros(3, 2, dtype=torch.int64), num_samples=500)
    with pytest.raises(CodeFileError, match="after the end"):
        decoder.push(torch.zeros(3, 1, dtype=torch.int64))


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_model_that_needs_the_whole_utterance_is_refused(
    part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = variant("mdct")
    monkeypatch.setattr(getattr(codec, part), "causal", False)
    with pytest.raises(ConfigError, match=f"cannot stream: its {part} needs the whole"):
        (StreamEncoder if part == "encoder" else StreamDecoder)(codec)
