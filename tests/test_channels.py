"""Channels are chosen, and a mean that cancels them is no surprise."""

import logging

import numpy as np
import pytest

from audiocodec.audio import read_audio, read_waveform, write_waveform
from audiocodec.audio_blocks import AudioReader
from audiocodec.channels import ChannelChoice
from audiocodec.errors import AudioError

RATE = 16_000
NOISE = (0.1 * np.random.default_rng(0).standard_normal((6, RATE))).astype(np.float32)


@pytest.fixture
def stereo(tmp_path):
    path = tmp_path / "stereo.wav"
    write_waveform(path, NOISE[:2], RATE, subtype="FLOAT")
    return path


@pytest.mark.parametrize(
    ("channel", "expected"),
    [(0, NOISE[:1]), (1, NOISE[1:2]), ("mix", NOISE[:2].mean(0)[None]), ("each", NOISE[:2])],
)
def test_one_channel_their_mean_or_each_is_taken(channel, expected, stereo):
    np.testing.assert_allclose(read_waveform(stereo, channel=channel), expected, atol=1e-7)
    blocks = list(AudioReader(stereo).blocks(channel=channel))
    np.testing.assert_allclose(np.concatenate(blocks, axis=1), expected, atol=1e-7)


def test_a_channel_that_is_not_there_is_an_error(stereo):
    with pytest.raises(AudioError, match="has 2 channels, numbered from 0; there is no 2"):
        read_waveform(stereo, channel=2)


@pytest.mark.parametrize(
    ("gains", "text"),
    [
        ((1, -1), "is silence, unlike channel 0"),
        ((0.5, -0.4), "20 dB quieter than channel 0"),
        ((0, 1), "6 dB quieter than channel 1"),
        ((0, 0, 1, 0, 0, 0), "16 dB quieter than channel 2"),
        ((1, 1), ""),
        ((1, 0.3), ""),
        ((0, 0), ""),
    ],
)
def test_a_mean_that_loses_much_is_reported_with_how_much(gains, text, tmp_path, caplog):
    path = tmp_path / "x.wav"
    write_waveform(path, np.outer(gains, NOISE[0]), RATE, subtype="FLOAT")
    fault = read_audio(path).channel_fault
    assert bool(fault) == bool(text) and text in fault
    assert not caplog.records
    read_waveform(path)
    list(AudioReader(path).blocks())
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 2 * bool(text)
    assert not read_audio(path, channel="each").channel_fault


def test_channels_that_differ_are_no_fault():
    choice = ChannelChoice("mix", 3, "x")
    choice(NOISE[:3].T)
    assert not choice.fault
