"""Chunked = whole = streamed = batched, for any small codec, any lengths and any cuts."""

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from audiocodec.audio import AudioInfo
from audiocodec.codes import CODE_SUFFIXES, read_codes, write_codes
from audiocodec.models.base import AnyCodec
from audiocodec.models.bundle import load_codec, save_codec
from audiocodec.models.chunking import decode_blocks, encode_blocks
from audiocodec.models.folders import shipped_models
from audiocodec.models.streaming import StreamDecoder, StreamEncoder
from audiocodec.models.transcoder import Sound, Transcoder
from tests.conftest import build_codec
from tests.models.variants import VARIANTS, variant
from tests.properties.strategies import configs

FAST = settings(max_examples=25)
SLOW = settings(max_examples=200, derandomize=False)


def cuts(total: int) -> st.SearchStrategy[list[int]]:
    """Places to cut at, 0 or more, some of them twice."""
    return st.lists(st.integers(0, total), max_size=8).map(lambda at: [0, *sorted(at), total])


def pieces(x: Tensor, at: list[int]) -> list[Tensor]:
    return [x[..., start:stop] for start, stop in itertools.pairwise(at)]


def noise(num_samples: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(num_samples, generator=torch.Generator().manual_seed(seed))


def close(a: Tensor | np.ndarray, b: Tensor | np.ndarray) -> None:
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=1e-5)


def equal(a: Any, b: Any) -> None:
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b))


def check_everything(codec: AnyCodec, waveforms: list[Tensor], data: st.DataObject) -> None:
    """Each of several ways to code the same waveforms gives the same."""
    lengths = [len(waveform) for waveform in waveforms]
    codes = [codec.encode(waveform) for waveform in waveforms]
    decoded = [codec.decode(c, num_samples=n) for c, n in zip(codes, lengths, strict=True)]

    batch = torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True)
    together = codec.encode(batch, num_samples=torch.tensor(lengths))
    heard = codec.decode(together, num_samples=torch.tensor(lengths))
    for row, waveform in enumerate(waveforms):
        equal(together[row, :, : codes[row].shape[1]], codes[row])
        close(heard[row, 0, : lengths[row]], decoded[row])

        blocks = pieces(waveform, data.draw(cuts(len(waveform)), label="blocks"))
        chunked = encode_blocks(codec, (block[None].numpy() for block in blocks))
        in_chunks = np.concatenate(list(chunked), axis=-1)
        equal(in_chunks[0], codes[row])
        samples = np.concatenate(list(decode_blocks(codec, in_chunks, lengths[row])), axis=-1)
        close(samples[0], decoded[row])
    check_streams(codec, waveforms, codes, decoded, data)


def check_streams(
    codec: AnyCodec,
    waveforms: list[Tensor],
    codes: list[Any],
    decoded: list[Any],
    data: st.DataObject,
) -> None:
    """Streams that start at different times, in pieces of different sizes, run as batches."""
    encoders = [StreamEncoder(codec) for _ in waveforms]
    decoders = [StreamDecoder(codec) for _ in waveforms]
    queues = [
        pieces(waveform, data.draw(cuts(len(waveform)), label="pieces")) for waveform in waveforms
    ]
    starts = [data.draw(st.integers(0, 3), label="start") for _ in waveforms]
    frames: list[list[Any]] = [[] for _ in waveforms]
    samples: list[list[Any]] = [[] for _ in waveforms]
    for tick in range(max(map(len, queues)) + 3):
        live = [row for row, queue in enumerate(queues) if tick >= starts[row] and queue]
        if not live:
            continue
        given = [queues[row].pop(0) for row in live]
        new = StreamEncoder.push_each([encoders[row] for row in live], given)
        heard = StreamDecoder.push_each([decoders[row] for row in live], new)
        for row, codes_of_row, samples_of_row in zip(live, new, heard, strict=True):
            frames[row].append(codes_of_row)
            samples[row].append(samples_of_row)
    last = StreamEncoder.flush_each(encoders)
    ends = [len(waveform) % codec.hop_length for waveform in waveforms]
    heard = StreamDecoder.push_each(decoders, last, ends)
    rest = StreamDecoder.flush_each(decoders)
    for row in range(len(waveforms)):
        equal(np.concatenate([*frames[row], last[row]], axis=-1), codes[row])
        close(np.concatenate([*samples[row], heard[row], rest[row]]), decoded[row])


def some_lengths(hop: int, most_frames: int) -> st.SearchStrategy[list[int]]:
    edges = st.sampled_from([1, hop - 1, hop, hop + 1, 7 * hop]).filter(bool)
    return st.lists(st.one_of(edges, st.integers(1, most_frames * hop)), min_size=1, max_size=3)


def check_random_codec(options: dict[str, Any], data: st.DataObject) -> None:
    codec = build_codec(seed=1, **options)
    lengths = data.draw(some_lengths(codec.hop_length, 40), label="lengths")
    check_everything(codec, [noise(n, seed) for seed, n in enumerate(lengths)], data)


@FAST
@given(options=configs(), data=st.data())
def test_any_small_codec(options: dict[str, Any], data: st.DataObject) -> None:
    check_random_codec(options, data)


@pytest.mark.slow
@SLOW
@given(options=configs(), data=st.data())
def test_any_small_codec_at_length(options: dict[str, Any], data: st.DataObject) -> None:
    check_random_codec(options, data)


@pytest.mark.parametrize("name", VARIANTS)
@settings(max_examples=5)
@given(data=st.data())
def test_the_variants(name: str, data: st.DataObject) -> None:
    codec = variant(name)
    lengths = data.draw(some_lengths(codec.hop_length, 30), label="lengths")
    check_everything(codec, [noise(n, seed) for seed, n in enumerate(lengths)], data)


@pytest.mark.slow
@pytest.mark.parametrize("name", shipped_models())
@settings(max_examples=15)
@given(data=st.data())
def test_the_shipped_models_on_speech(name: str, speech: np.ndarray, data: st.DataObject) -> None:
    codec = load_codec(name)
    lengths = data.draw(some_lengths(codec.hop_length, len(speech) // codec.hop_length))
    waveforms = []
    for length in lengths:
        start = data.draw(st.integers(0, len(speech) - length), label="from")
        waveforms.append(torch.from_numpy(speech[start : start + length].copy()))
    check_everything(codec, waveforms, data)


@FAST
@given(options=configs(), data=st.data())
def test_codes_through_files_are_the_direct_reconstruction(
    tmp_path_factory: pytest.TempPathFactory, options: dict[str, Any], data: st.DataObject
) -> None:
    codec = build_codec(seed=2, **options)
    folder = tmp_path_factory.mktemp("codes")
    waveform = noise(data.draw(some_lengths(codec.hop_length, 20))[0])
    coder = Transcoder(codec)
    info = AudioInfo(codec.sample_rate, len(waveform), 1)
    (coded,) = coder.encode([Sound(waveform[None].numpy(), info)])
    for suffix in CODE_SUFFIXES:
        write_codes(folder / f"x{suffix}", coded.codes, coded.metadata)
        read = read_codes(folder / f"x{suffix}")
        coder.check(read.metadata, "x")
        (decoded,) = coder.decode([read])
        close(decoded.restored()[0], codec.reconstruct(waveform))


@FAST
@given(options=configs())
def test_a_saved_codec_is_the_same_codec(
    tmp_path_factory: pytest.TempPathFactory, options: dict[str, Any]
) -> None:
    codec = build_codec(seed=3, **options)
    folder: Path = tmp_path_factory.mktemp("models") / "m"
    save_codec(codec, folder)
    loaded = load_codec(folder)
    assert loaded.config == codec.config
    assert loaded.weight_hash == codec.weight_hash
    waveform = noise(5 * codec.hop_length + 1)
    codes = codec.encode(waveform)
    assert torch.equal(loaded.encode(waveform), codes)
    assert torch.equal(loaded.decode(codes), codec.decode(codes))
