"""Long audio in blocks is the whole, in memory that does not grow."""

from pathlib import Path

import numpy as np
import pytest
import torch

from audiocodec import audio_blocks
from audiocodec.audio import read_waveform, write_waveform
from audiocodec.channels import Channel
from audiocodec.errors import AudioError, ConfigError
from audiocodec.models import chunking, transcoder
from audiocodec.models.chunking import LongDecoded, LongSound, decode_blocks, encode_blocks
from audiocodec.models.codec import Codec
from audiocodec.models.transcoder import Transcoder
from benchmarks.memory import peaks
from tests.models.variants import VARIANTS, variant


@pytest.fixture(params=VARIANTS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return variant(request.param)


@pytest.fixture
def everything_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transcoder, "LONG_SECONDS", 0.0)
    monkeypatch.setattr(audio_blocks, "BLOCK_SAMPLES", 1_009)
    monkeypatch.setattr(chunking, "BLOCK_FRAMES", 7)


def noise(*shape: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


@pytest.mark.parametrize("size", [1, 100, 320, 4_000])
def test_blocks_of_any_size_are_the_whole(
    codec: Codec, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    waveform = noise(2, 3_001 if size == 1 else 9_999)
    length = waveform.shape[1]
    blocks = [waveform[:, start : start + size] for start in range(0, length, size)]
    codes = np.concatenate(list(encode_blocks(codec, blocks)), axis=-1)
    assert codes.dtype == np.uint8
    np.testing.assert_array_equal(codes, codec.encode(waveform).numpy())
    monkeypatch.setattr(chunking, "BLOCK_FRAMES", 1 + size // 100)
    decoded = np.concatenate(list(decode_blocks(codec, codes, length)), axis=-1)
    whole = codec.decode(codes, num_samples=length)[:, 0]
    np.testing.assert_allclose(decoded, whole.numpy(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("channel", ["mix", "each"])
@pytest.mark.parametrize("rate", [24_000, 44_100, 8_000])
@pytest.mark.usefixtures("everything_is_long")
def test_a_long_file_is_coded_as_a_short_one(
    rate: int, channel: Channel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_waveform(tmp_path / "x.flac", noise(2, 12_345), rate)
    coder = Transcoder(variant("lookahead"))
    long = coder.read(tmp_path / "x.flac", channel)
    assert isinstance(long, LongSound)
    (coded,) = coder.encode([long], channel=channel)
    (decoded,) = coder.decode([coded])
    assert isinstance(decoded, LongDecoded)
    decoded.write(tmp_path / "long.wav")

    monkeypatch.setattr(transcoder, "LONG_SECONDS", 100.0)
    short = coder.read(tmp_path / "x.flac", channel)
    (expected,) = coder.encode([short], channel=channel)
    np.testing.assert_array_equal(coded.codes, expected.codes)
    assert coded.metadata == expected.metadata
    (whole,) = coder.decode([expected])
    np.testing.assert_allclose(decoded.restored(), whole.restored(), rtol=0, atol=1e-5)
    written = read_waveform(tmp_path / "long.wav", channel="each")
    assert written.shape == (1 + (channel == "each"), 12_345)
    np.testing.assert_allclose(written, np.clip(whole.restored(), -1, 1), atol=1.1 / 32_768)


def test_long_and_short_sounds_may_stand_in_one_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcoder, "LONG_SECONDS", 0.1)
    coder = Transcoder(variant("mdct"))
    lengths = [1_000, 9_000, 2_000, 5_000]
    for length in lengths:
        write_waveform(tmp_path / f"{length}.wav", noise(1, length), 24_000)
    sounds = [coder.read(tmp_path / f"{length}.wav") for length in lengths]
    assert [isinstance(sound, LongSound) for sound in sounds] == [False, True, False, True]
    coded = coder.encode(sounds)
    for sound, item, decoded in zip(sounds, coded, coder.decode(coded), strict=True):
        (alone,) = coder.encode([sound])
        np.testing.assert_array_equal(item.codes, alone.codes)
        assert decoded.restored().shape == (1, sound.info.num_samples)


@pytest.mark.usefixtures("everything_is_long")
def test_damage_in_a_long_file_leaves_nothing_behind(tmp_path: Path) -> None:
    waveform = noise(1, 5_000)
    waveform[0, 4_000] = np.inf
    write_waveform(tmp_path / "x.wav", waveform, 24_000, subtype="FLOAT")
    coder = Transcoder(variant("mdct"))
    with pytest.raises(AudioError, match="sample at 4000"):
        coder.encode([coder.read(tmp_path / "x.wav")])


@pytest.mark.usefixtures("everything_is_long")
def test_a_model_that_needs_the_whole_utterance_gets_it(tmp_path: Path) -> None:
    codec = variant("reference")
    coder = Transcoder(codec)
    write_waveform(tmp_path / "x.wav", noise(1, 5_000), 24_000)
    sound = coder.read(tmp_path / "x.wav")
    assert not isinstance(sound, LongSound)
    (coded,) = coder.encode([sound])
    (decoded,) = coder.decode([coded])
    assert not isinstance(decoded, LongDecoded)
    expected = codec.reconstruct(torch.from_numpy(sound.waveform[0]))
    np.testing.assert_array_equal(decoded.restored()[0], expected.numpy())
    with pytest.raises(ConfigError, match="whole"):
        list(decode_blocks(codec, coded.codes[None], 5_000))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
def test_two_hours_take_the_memory_of_two_minutes(tmp_path: Path, tiny_model_dir: Path) -> None:
    model = ("--model", tiny_model_dir)
    short, long = (peaks(tmp_path, minutes, *model) for minutes in (2, 120))
    assert long["encode"] < 1.1 * short["encode"]
    assert long["decode"] < 1.1 * short["decode"]
