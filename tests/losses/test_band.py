import torch

from audiocodec.losses.band import band_limited

RATE, TIME = 24_000, 4_801
BANDWIDTH = torch.tensor([4_000.0, 12_000.0])


def tone(frequency: float) -> torch.Tensor:
    wave = torch.sin(2 * torch.pi * frequency / RATE * torch.arange(TIME))
    return (torch.hann_window(TIME) * wave).expand(2, 1, TIME)


def test_what_lies_above_the_bandwidth_of_a_row_goes_and_the_rest_stays():
    low, high = tone(1_000), tone(6_000)
    found = band_limited(low + high, BANDWIDTH, RATE)
    torch.testing.assert_close(found[0], low[0], atol=1e-3, rtol=0)
    torch.testing.assert_close(found[1], (low + high)[1], atol=1e-5, rtol=0)


def test_it_gets_no_gradient():
    fake = torch.zeros(2, 1, TIME, requires_grad=True)
    (band_limited(fake, BANDWIDTH, RATE) * tone(6_000)).sum().backward()
    limited, whole = fake.grad.norm(dim=(1, 2))
    assert limited < 1e-3 * whole
