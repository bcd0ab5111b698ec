import librosa
import pytest
import torch

from audiocodec.features.mel import hz_to_mel, mel_filters, mel_spectrogram, mel_to_hz
from audiocodec.features.stft import make_window


@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize("unit_area", [False, True])
def test_filters_are_those_of_librosa(scale, unit_area):
    expected = librosa.filters.mel(
        sr=24_000,
        n_fft=1024,
        n_mels=80,
        fmax=10_000,
        htk=scale == "htk",
        norm="slaney" if unit_area else None,
    )
    filters = mel_filters(24_000, 1024, 80, scale, 10_000, unit_area)
    torch.testing.assert_close(filters.T, torch.from_numpy(expected), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mels_and_hertz_are_inverse_and_1000_hz_is_what_each_scale_says(scale):
    frequencies = torch.tensor([0.0, 100, 1000, 4000, 12_000], dtype=torch.float64)
    torch.testing.assert_close(mel_to_hz(hz_to_mel(frequencies, scale), scale), frequencies)
    assert float(hz_to_mel(frequencies, scale)[2]) == pytest.approx(
        {"htk": 1000, "slaney": 15}[scale], rel=1e-4
    )


def test_filters_sum_to_one_between_the_first_and_the_last_centre_and_end_at_the_limit():
    filters = mel_filters(24_000, 2048, 40, "slaney", 8_000)
    frequencies = torch.linspace(0, 12_000, 1025)
    inner = (frequencies > 300) & (frequencies < 7000)
    torch.testing.assert_close(filters[inner].sum(-1), torch.ones(int(inner.sum())))
    assert filters[frequencies > 8_000].abs().max() == 0
    assert filters[frequencies < 7_900].sum(-1)[10:].min() > 0


def test_a_limit_above_half_the_sample_rate_is_half_the_sample_rate():
    torch.testing.assert_close(
        mel_filters(16_000, 512, 40, high=12_000), mel_filters(16_000, 512, 40)
    )


def test_a_tone_stands_in_the_filter_around_it():
    filters = mel_filters(24_000, 1024, 80)
    tone = torch.sin(2 * torch.pi * 3000 / 24_000 * torch.arange(12_000)).unsqueeze(0)
    mel = mel_spectrogram(tone, make_window("hann", 1024), 256, filters)[:, 4:-4]
    assert mel.shape[-1] == 80
    assert (mel.argmax(-1) == int(filters[128].argmax())).all()  # 3000 Hz is bin 128
