"""Block by block is at once."""

import resource
import signal
import tracemalloc

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from audiocodec import audio_blocks
from audiocodec.audio import AudioInfo, audio_info, read_waveform, resample, write_waveform
from audiocodec.audio_blocks import AudioReader, StreamResampler, write_blocks
from audiocodec.errors import AudioError, CodecError

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000]


def noise(*shape: int) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(shape)).astype(np.float32)


@settings(max_examples=60)
@given(
    rates=st.tuples(st.sampled_from(RATES), st.sampled_from(RATES)),
    num_samples=st.integers(1, 20_000),
    size=st.integers(1, 7_000),
    channels=st.integers(1, 3),
)
def test_resampling_in_pieces_is_resampling_at_once(rates, num_samples, size, channels):
    waveform = noise(channels, num_samples)
    size = max(size, num_samples // 50)
    resampler = StreamResampler(*rates, channels)
    starts = range(0, num_samples, size)
    pieces = [resampler.push(waveform[:, i : i + size], i == starts[-1]) for i in starts]
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), resample(waveform, *rates))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
@pytest.mark.parametrize("channel", ["mix", "each", 1])
def test_blocks_of_a_file_are_its_parts(suffix, channel, tmp_path, monkeypatch):
    rate = 24_000 if suffix == ".opus" else 22_050
    path = tmp_path / f"x{suffix}"
    write_waveform(path, noise(2, 30_011), rate)
    monkeypatch.setattr(audio_blocks, "BLOCK_SAMPLES", 4_096)
    for sample_rate in (None, 24_000, 16_000):
        whole = read_waveform(path, sample_rate, channel=channel)
        reader = AudioReader(path)
        for _ in range(2):
            blocks = list(reader.blocks(sample_rate, channel=channel))
            assert len(blocks) >= 7
            np.testing.assert_array_equal(np.concatenate(blocks, axis=1), whole)


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_writing_blocks_is_writing_at_once(suffix, tmp_path):
    waveform = 20 * noise(2, 10_000)  # clips
    write_waveform(tmp_path / f"whole{suffix}", waveform, 16_000)
    blocks = np.array_split(waveform, 7, axis=1)
    write_blocks(tmp_path / f"blocks{suffix}", blocks, AudioInfo(16_000, 10_000, 2))
    whole, in_blocks = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("whole", "blocks"))
    assert whole == in_blocks


def test_more_than_four_gigabytes_become_rf64(tmp_path, monkeypatch):
    monkeypatch.setattr(audio_blocks, "_WAV_BYTES", 1_000)
    write_blocks(tmp_path / "x.wav", [noise(1, 501)], AudioInfo(16_000, 501, 1))
    assert soundfile.info(tmp_path / "x.wav").format == "RF64"
    assert audio_info(tmp_path / "x.wav") == AudioInfo(16_000, 501, 1)


def test_damage_in_the_middle_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(audio_blocks, "BLOCK_SAMPLES", 1_000)
    waveform = noise(1, 5_000)
    waveform[0, 3_210] = np.nan
    write_waveform(tmp_path / "nan.wav", waveform, 16_000, subtype="FLOAT")
    with pytest.raises(AudioError, match="NaN or infinite sample at 3210"):
        list(AudioReader(tmp_path / "nan.wav").blocks())
    write_waveform(tmp_path / "cut.flac", noise(1, 50_000), 16_000)
    data = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(data[: len(data) // 2])
    with pytest.raises(AudioError, match=r"truncated|damaged"):
        list(AudioReader(tmp_path / "cut.flac").blocks())
    write_waveform(tmp_path / "empty.wav", np.zeros((1, 0)), 16_000)
    with pytest.raises(AudioError, match="no samples"):
        AudioReader(tmp_path / "empty.wav")


def test_a_failing_source_of_blocks_leaves_no_file(tmp_path):
    def blocks():
        yield noise(1, 100)
        raise CodecError("damaged")

    with pytest.raises(CodecError, match="damaged"):
        write_blocks(tmp_path / "x.wav", blocks(), AudioInfo(16_000, 200, 1))
    assert not list(tmp_path.iterdir())


def test_a_file_that_vanishes_while_read_is_read_to_its_end(tmp_path):
    write_waveform(tmp_path / "x.wav", noise(1, 5_000), 16_000)
    reader = AudioReader(tmp_path / "x.wav")
    (tmp_path / "x.wav").unlink()
    assert sum(block.shape[1] for block in reader.blocks()) == 5_000


def test_memory_does_not_grow_with_the_length(tmp_path, monkeypatch):
    monkeypatch.setattr(audio_blocks, "BLOCK_SAMPLES", 1 << 13)
    peaks = []
    for seconds in (10, 100):
        write_waveform(tmp_path / "x.wav", np.zeros((1, seconds * 48_000), np.float32), 48_000)
        tracemalloc.start()
        write_blocks(
            tmp_path / "y.wav",
            AudioReader(tmp_path / "x.wav").blocks(24_000),
            AudioInfo(24_000, seconds * 24_000, 1),
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3"])
def test_a_full_disk_is_noticed_up_to_the_last_byte(suffix, tmp_path):
    # At the last bytes libsndfile says nothing. A limit on file sizes stands for a full disk.
    path = tmp_path / f"x{suffix}"
    waveform = noise(2, 9_000)
    write_waveform(path, waveform, 24_000)
    size = path.stat().st_size
    path.unlink()
    former = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        for limit in (100, size // 2, size - 200, size - 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, former[1]))
            with pytest.raises(CodecError, match="cannot write"):
                write_waveform(path, waveform, 24_000)
            with pytest.raises(CodecError, match="cannot write"):
                write_blocks(path, np.array_split(waveform, 3, 1), AudioInfo(24_000, 9_000, 2))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, former)
    assert not list(tmp_path.iterdir())


def test_a_claimed_length_takes_no_memory(tmp_path):
    write_waveform(tmp_path / "x.flac", noise(1, 1_000), 24_000)
    data = bytearray((tmp_path / "x.flac").read_bytes())
    data[21] |= 0x0F  # the high bits of the number of samples
    (tmp_path / "x.flac").write_bytes(data)
    for read in (audio_info, read_waveform, AudioReader):
        with pytest.raises(AudioError, match="truncated"):
            read(tmp_path / "x.flac")
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])  # unknown, as streams have it
    (tmp_path / "x.flac").write_bytes(data)
    assert audio_info(tmp_path / "x.flac").num_samples == 1_000
    assert read_waveform(tmp_path / "x.flac").shape == (1, 1_000)
