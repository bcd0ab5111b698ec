import pytest
import torch
from torch import Tensor

from audiocodec.errors import ConfigError
from audiocodec.features.stft import check_windows, compressed, magnitude, make_window, stft


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("pad_mode", ["constant", "reflect"])
@pytest.mark.parametrize(("n_fft", "hop_length"), [(64, 16), (64, 64), (60, 25), (64, 100)])
def test_values_and_gradients_are_those_of_torch(n_fft, hop_length, pad_mode):
    window, slope = make_window("hann", n_fft), noise(2, 32, n_fft // 2 + 1, seed=1)
    spectra, gradients = [], []
    for transform in (
        lambda x: stft(x, window, hop_length, pad_mode),
        lambda x: torch.stft(
            x, n_fft, hop_length, window=window, pad_mode=pad_mode, return_complex=True
        ).transpose(1, 2),
    ):
        waveform = noise(2, 501).requires_grad_()
        spectrum = transform(waveform)
        weight = slope[:, : spectrum.shape[1]]
        (spectrum.real * weight + spectrum.imag.square()).sum().backward()
        spectra.append(spectrum.detach())
        gradients.append(waveform.grad)
    assert spectra[0].shape[1] == 501 // hop_length + 1
    torch.testing.assert_close(spectra[0], spectra[1], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(gradients[0], gradients[1], atol=1e-3, rtol=1e-4)


def test_a_sinusoid_stands_at_its_bin_with_half_the_window_s_sum():
    n_fft, bin_index = 256, 20
    waveform = torch.cos(2 * torch.pi * bin_index / n_fft * torch.arange(4096)).unsqueeze(0)
    window = make_window("hann", n_fft)
    inner = magnitude(stft(waveform, window, 64))[:, 4:-4]
    assert (inner.argmax(-1) == bin_index).all()
    torch.testing.assert_close(
        inner[..., bin_index], (window.sum() / 2).expand(inner.shape[:2]), rtol=1e-3, atol=0
    )


def test_the_magnitude_s_gradient_points_along_the_bin_and_vanishes_at_zero():
    spectrum = torch.tensor([3 + 4j, 0, 1e-15j, -1e15], requires_grad=True)
    result = magnitude(spectrum)
    result.sum().backward()
    torch.testing.assert_close(result.detach(), torch.tensor([5, 0, 1e-15, 1e15]))
    torch.testing.assert_close(spectrum.grad, torch.tensor([0.6 + 0.8j, 0, 1j, -1]))


@pytest.mark.parametrize("exponent", [0.3, 0.5, 1.0])
def test_compression_has_the_gradient_that_differences_show(exponent):
    spectrum = torch.complex(noise(50), noise(50, seed=1)).to(torch.complex128)
    spectrum[0] = 0
    assert torch.autograd.gradcheck(
        lambda x: compressed(x, exponent, 0.1), spectrum.requires_grad_()
    )


def test_compression_is_a_power_above_the_floor_and_linear_below():
    loud, quiet = torch.tensor([8j]), torch.tensor([1e-6 + 0j])
    torch.testing.assert_close(compressed(loud, 1 / 3, 1e-3), torch.tensor([2j]))
    torch.testing.assert_close(
        compressed(quiet, 0.5, 1e-2), torch.tensor([1e-5 + 0j]), rtol=1e-4, atol=0
    )


def test_half_precision_input_under_autocast_is_transformed_in_float32():
    waveform = noise(1, 512)
    with torch.autocast("cpu", torch.bfloat16):
        spectrum = stft(waveform.bfloat16(), make_window("hann", 64), 16)
    assert spectrum.dtype == torch.complex64
    exact = stft(waveform.bfloat16().float(), make_window("hann", 64), 16)
    torch.testing.assert_close(spectrum, exact)


@pytest.mark.parametrize(("n_ffts", "divisor"), [((), 4), ((511,), 4), ((0,), 1), ((2,), 4)])
def test_windows_that_cannot_be_transformed_are_refused(n_ffts, divisor):
    with pytest.raises(ConfigError):
        check_windows(n_ffts, divisor)
