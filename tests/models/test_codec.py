"""The codec's promises about lengths, batches, blocks and bad input."""

import copy

import numpy as np
import pytest
import torch
from torch import Tensor

from audiocodec.errors import AudioError, CodeFileError, ConfigError
from audiocodec.models.codec import Codec
from audiocodec.models.streaming import StreamEncoder
from tests.conftest import build_codec
from tests.models.variants import VARIANTS, WHOLE, variant

LENGTHS = [1, 319, 320, 321, 24_001]


@pytest.fixture(params=[*VARIANTS, *WHOLE])
def codec(request: pytest.FixtureRequest) -> Codec:
    return variant(request.param)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("num_samples", LENGTHS)
def test_lengths_are_exact(codec: Codec, num_samples: int) -> None:
    waveform = noise(num_samples)
    codes = codec.encode(waveform)
    assert codes.shape == (codec.num_quantizers, -(-num_samples // codec.hop_length))
    assert codec.decode(codes).shape == (codes.shape[1] * codec.hop_length,)
    assert codec.decode(codes, num_samples).shape == waveform.shape
    assert codec.reconstruct(waveform).shape == waveform.shape


@pytest.mark.parametrize("sample_rate", [8_000, 16_000, 22_050, 44_100, 48_000, 96_000])
@pytest.mark.parametrize("num_samples", LENGTHS)
def test_other_rates_are_resampled(sample_rate: int, num_samples: int) -> None:
    codec = variant("mdct")
    at_model_rate = -(-num_samples * 24_000 // sample_rate)
    codes = codec.encode(noise(num_samples), sample_rate)
    assert codes.shape[1] == -(-at_model_rate // codec.hop_length)


def test_a_batch_of_different_lengths_is_its_members_one_by_one(codec: Codec) -> None:
    waveforms = [noise(length, seed=length) for length in LENGTHS]
    padded = torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True, padding_value=9.0)
    lengths = torch.tensor(LENGTHS)
    codes = codec.encode(padded, num_samples=lengths)
    decoded = codec.decode(codes, num_samples=lengths)
    for row, waveform in enumerate(waveforms):
        alone = codec.encode(waveform)
        assert torch.equal(codes[row, :, : alone.shape[1]], alone)
        expected = codec.decode(alone, num_samples=len(waveform))
        torch.testing.assert_close(decoded[row, 0, : len(waveform)], expected, rtol=0, atol=1e-5)
        assert not decoded[row, 0, len(waveform) :].any()


def test_a_resampled_batch_is_its_members_one_by_one() -> None:
    codec = variant("mdct")
    waveforms = [noise(length) for length in (500, 4_000, 44_100)]
    padded = torch.nn.utils.rnn.pad_sequence(waveforms, batch_first=True)
    codes = codec.encode(padded, 44_100, num_samples=torch.tensor([500, 4_000, 44_100]))
    for row, waveform in enumerate(waveforms):
        alone = codec.encode(waveform, 44_100)
        assert torch.equal(codes[row, :, : alone.shape[1]], alone)


def test_the_size_of_internal_blocks_changes_nothing(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    waveform = noise(24_001)
    codes = codec.encode(waveform)
    decoded = codec.decode(codes)
    for frames in (1, 7):
        monkeypatch.setattr("audiocodec.models.base.BLOCK_FRAMES", frames)
        assert torch.equal(codec.encode(waveform), codes)
        torch.testing.assert_close(codec.decode(codes), decoded, rtol=0, atol=1e-5)


def test_training_and_deployment_run_the_same_codec(codec: Codec) -> None:
    waveform = noise(2, 1, 10_000)
    trained = codec(waveform)
    assert torch.equal(trained.quantized.codes, codec.encode(waveform))
    decoded = codec.decode(trained.quantized.codes, num_samples=10_000)
    torch.testing.assert_close(trained.waveform, decoded, rtol=0, atol=1e-5)


def test_fewer_quantizers_are_the_first_rows(tiny_codec: Codec) -> None:
    waveform = noise(5_000)
    all_codes = tiny_codec.encode(waveform)
    for count in (1, 2, 3):
        codes = tiny_codec.encode(waveform, num_quantizers=count)
        assert torch.equal(codes, all_codes[:count])
        assert tiny_codec.decode(codes, num_samples=5_000).shape == (5_000,)
    assert tiny_codec.bitrate() == 3 * 4 * 75  # 3 stages of 16 codes, 75 frames a second
    assert tiny_codec.bitrate(1) == 4 * 75


def test_arrays_and_tensors_are_the_same(tiny_codec: Codec) -> None:
    waveform = noise(3, 2_000)
    codes = tiny_codec.encode(waveform)
    assert torch.equal(tiny_codec.encode(waveform.numpy()), codes)
    assert torch.equal(tiny_codec.encode(waveform.unsqueeze(1)), codes)
    stored = codes.numpy().astype(np.uint8)
    assert torch.equal(tiny_codec.decode(stored), tiny_codec.decode(codes))


def test_codes_do_not_depend_on_the_number_of_threads() -> None:
    codec = variant("mdct")
    waveform = noise(48_000)
    codes = codec.encode(waveform)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert torch.equal(codec.encode(waveform), codes)
    finally:
        torch.set_num_threads(threads)


def test_changed_weights_are_used_at_once() -> None:
    codec = build_codec()
    waveform = noise(3_200)
    before = codec.encode(waveform)
    with torch.no_grad():
        codec.encoder.project.weight.mul_(-1)
    after = codec.encode(waveform)
    assert not torch.equal(before, after)


def test_the_hash_names_the_weights_alone() -> None:
    assert build_codec().weight_hash == build_codec().weight_hash
    assert build_codec(seed=1).weight_hash != build_codec().weight_hash
    assert build_codec(sample_rate=16_000).weight_hash == build_codec().weight_hash


@pytest.mark.parametrize(
    ("waveform", "what"),
    [
        (torch.zeros(0), "empty"),
        (torch.tensor([0.0, float("nan")]), "NaN"),
        (torch.tensor([0.0, float("-inf")]), "infinite"),
        (torch.zeros(1, 2, 100), "shape"),
        (torch.zeros(100, dtype=torch.complex64), "complex64"),
        (torch.zeros(()), "shape"),
    ],
)
def test_bad_waveforms_are_refused(tiny_codec: Codec, waveform: Tensor, what: str) -> None:
    with pytest.raises(AudioError, match=what):
        tiny_codec.encode(waveform)


@pytest.mark.parametrize(
    ("codes", "what"),
    [
        (torch.zeros(3, 0, dtype=torch.int64), "shape"),
        (torch.zeros(4, 2, dtype=torch.int64), "1 to 3"),
        (torch.zeros(7, dtype=torch.int64), "shape"),
        (torch.full((3, 2), 16), "outside"),
        (torch.full((3, 2), -1), "outside"),
        (torch.zeros(3, 2), "float32"),
    ],
)
def test_bad_codes_are_refused(tiny_codec: Codec, codes: Tensor, what: str) -> None:
    with pytest.raises(CodeFileError, match=what):
        tiny_codec.decode(codes)


@pytest.mark.parametrize("count", [0, 4, -1])
def test_a_number_of_quantizers_out_of_range_is_refused(tiny_codec: Codec, count: int) -> None:
    with pytest.raises(ConfigError, match="1 to 3"):
        tiny_codec.encode(noise(100), num_quantizers=count)


@pytest.mark.parametrize("lengths", [[100, 5_000], [0, 100], [100]])
def test_lengths_that_do_not_fit_the_batch_are_refused(
    tiny_codec: Codec, lengths: list[int]
) -> None:
    with pytest.raises(AudioError, match="num_samples"):
        tiny_codec.encode(noise(2, 1_000), num_samples=torch.tensor(lengths))


def test_more_samples_than_the_codes_hold_are_refused(tiny_codec: Codec) -> None:
    codes = tiny_codec.encode(noise(1_000))
    for num_samples in (0, -5, 4 * 320 + 1):
        with pytest.raises(CodeFileError, match="num_samples"):
            tiny_codec.decode(codes, num_samples=num_samples)


@pytest.mark.gpu
def test_an_accelerator_gives_the_same_codes(codec: Codec) -> None:
    waveform = noise(3, 24_001)
    there = copy.deepcopy(codec).to("cuda")
    codes = there.encode(waveform)
    assert codes.device.type == "cuda"
    assert torch.equal(codes.cpu(), codec.encode(waveform))
    decoded = there.decode(codes, num_samples=24_001).cpu()
    torch.testing.assert_close(decoded, codec.decode(codes.cpu(), 24_001), rtol=0, atol=1e-4)
    if not codec.encoder.causal:
        return
    encoder = StreamEncoder(there)
    pieces = [encoder.push(piece) for piece in waveform[0].split(1_000)]
    assert torch.equal(torch.cat([*pieces, encoder.flush()], dim=-1), codes[0])
