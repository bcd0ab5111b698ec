"""What do losses and discriminators cost in a training step? Prints JSON; milliseconds a batch.

`forward_backward` of a loss includes the gradient of the waveform. `update` of a discriminator is
all it does in a step: judging real and fake, the gradient of the waveform for the codec, and its
own weights' gradients. `mel_plain` and `stft_plain` are the same losses by torch.stft and torch's
derivatives, for comparison.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.benchmark import Timer

from audiocodec.discriminators import DISCRIMINATORS
from audiocodec.discriminators.ensemble import DiscriminatorEnsemble
from audiocodec.discriminators.ms_stft import MultiScaleStftConfig
from audiocodec.environment import environment
from audiocodec.features.mel import mel_filters
from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.feature_matching import feature_matching_loss
from audiocodec.losses.spectral import (
    DAC_MEL,
    VOCOS_MEL,
    MultiResolutionMel,
    MultiResolutionMelConfig,
    MultiResolutionStft,
    MultiResolutionStftConfig,
    waveform_l1,
)

SAMPLE_RATE = 24_000
Loss = Callable[[Tensor, Tensor], Tensor]


def milliseconds(work: Callable[[], Any], threads: int) -> float:
    """Median of repeated runs; of one thread the processor time, which other work hardly moves."""
    clock = time.process_time if threads == 1 else time.perf_counter
    timer = Timer("work()", globals={"work": work}, timer=clock, num_threads=threads)
    return round(1e3 * timer.blocked_autorange(min_run_time=1.0).median, 2)


def plain_mel(config: MultiResolutionMelConfig) -> Loss:
    banks = {
        n_fft: mel_filters(SAMPLE_RATE, n_fft, n_mels, config.scale, config.high)
        for n_fft, n_mels in zip(config.windows, config.n_mels, strict=True)
    }

    def log_mel(waveform: Tensor, n_fft: int) -> Tensor:
        mel = plain_spectrum(waveform, n_fft).abs().transpose(1, 2) @ banks[n_fft]
        return mel.clamp_min(config.floor).log()

    def loss(real: Tensor, fake: Tensor) -> Tensor:
        terms = [(log_mel(fake, n) - log_mel(real, n)).abs().mean() for n in config.windows]
        return torch.stack(terms).mean()

    return loss


def plain_stft(config: MultiResolutionStftConfig) -> Loss:
    def compressed(waveform: Tensor, n_fft: int) -> Tensor:
        spectrum = plain_spectrum(waveform, n_fft)
        power = spectrum.real.square() + spectrum.imag.square() + config.floor**2
        gain = power.pow((config.exponent - 1) / 2)
        return torch.view_as_real(spectrum) * gain.unsqueeze(-1)

    def loss(real: Tensor, fake: Tensor) -> Tensor:
        terms = [(compressed(fake, n) - compressed(real, n)).abs().mean() for n in config.windows]
        return torch.stack(terms).mean()

    return loss


def plain_spectrum(waveform: Tensor, n_fft: int) -> Tensor:
    window = torch.hann_window(n_fft, device=waveform.device)
    return torch.stft(
        waveform.squeeze(1),
        n_fft,
        n_fft // 4,
        window=window,
        pad_mode="constant",
        return_complex=True,
    )


def time_losses(real: Tensor, fake: Tensor, threads: int) -> dict[str, dict[str, float]]:
    losses: dict[str, Loss] = {
        "mel": MultiResolutionMel(MultiResolutionMelConfig(), SAMPLE_RATE),
        "mel_plain": plain_mel(MultiResolutionMelConfig()),
        "mel_vocos": MultiResolutionMel(VOCOS_MEL, SAMPLE_RATE),
        "mel_dac": MultiResolutionMel(DAC_MEL, SAMPLE_RATE),
        "stft": MultiResolutionStft(MultiResolutionStftConfig(), SAMPLE_RATE),
        "stft_plain": plain_stft(MultiResolutionStftConfig()),
        "waveform": waveform_l1,
    }
    return {
        name: {
            "forward": milliseconds(lambda loss=loss: loss(real, fake), threads),  # type: ignore[misc]
            "forward_backward": milliseconds(
                lambda loss=loss: torch.autograd.grad(loss(real, fake), fake),  # type: ignore[misc]
                threads,
            ),
        }
        for name, loss in losses.items()
    }


def time_discriminators(
    real: Tensor, fake: Tensor, threads: int, wide: bool
) -> dict[str, dict[str, Any]]:
    configs = {"ms_stft_narrow": MultiScaleStftConfig(n_ffts=(1024, 256), channels=8)}
    if wide:
        configs |= {name: config_class() for name, (config_class, _) in DISCRIMINATORS.items()}
    rows = {}
    for name, config in configs.items():
        ensemble = DiscriminatorEnsemble([DISCRIMINATORS.build(config)])
        weights = list(ensemble.parameters())

        def update(ensemble: DiscriminatorEnsemble = ensemble, weights: Any = weights) -> None:
            with torch.autocast("cpu", torch.bfloat16):
                outputs = ensemble(real, fake)
            codec_loss = generator_loss(outputs) + feature_matching_loss(outputs)
            torch.autograd.grad(codec_loss, fake, retain_graph=True)
            torch.autograd.grad(discriminator_loss(outputs), weights)

        rows[name] = {
            "parameters": sum(weight.numel() for weight in weights),
            "update": milliseconds(update, threads),
        }
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--num-samples", type=int, default=14_400)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--wide", action="store_true", help="also the defaults of every kind")
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(0)
    shape = (args.batch, 1, args.num_samples)
    real, fake = (0.1 * torch.randn(shape, generator=generator) for _ in range(2))
    fake.requires_grad_()
    results = {
        "environment": environment(),
        "threads": args.threads,
        "shape": shape,
        "losses": time_losses(real, fake, args.threads),
        "discriminators": time_discriminators(real, fake, args.threads, args.wide),
    }
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
