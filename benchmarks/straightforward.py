"""The training step as one writes it first, to measure against: same weights, same mathematics.

Convolutions are nn.Conv1d over (batch, channels, time), depthwise ones grouped; blocks turn to
channels-last for their norm and back (as in Vocos); overlap-add is F.fold; each codebook is
projected whole and searched by full distances; the fake is judged twice, once for each network's
loss, and the codec's loss runs backward through both networks; AdamW is torch's default. Spectra,
in losses and discriminators, are torch.stft's with real and imaginary part as channels, each loss
computes its own, and distances are differences, absolute values and means.
"""

from typing import Any

import torch
from losses import plain_mel, plain_stft
from torch import Tensor, nn
from torch.nn import functional as F

from audiocodec.discriminators.base import DiscriminatorOutput
from audiocodec.discriminators.spectrum import FLOOR
from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.feature_matching import MIN_MAGNITUDE, feature_matching_loss
from audiocodec.modules.overlap import MAX_LOG_MAGNITUDE
from audiocodec.training.backward import reconstruction_losses
from audiocodec.training.config import OptimizerConfig, TrainConfig
from audiocodec.training.networks import Networks

Terms = dict[str, Tensor]


class Block(nn.Module):
    """A ConvNeXt block over (batch, channels, time)."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        taps, channels = block.depthwise.weight.shape
        self.pad = taps - 1
        self.depthwise = nn.Conv1d(channels, channels, taps, groups=channels)
        with torch.no_grad():
            self.depthwise.weight.copy_(block.depthwise.weight.t().unsqueeze(1))
            self.depthwise.bias.copy_(block.depthwise.bias)
        self.norm, self.expand, self.reduce = block.norm, block.expand, block.reduce
        self.scale = block.scale

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.depthwise(F.pad(x, (self.pad, 0))).transpose(1, 2)
        hidden = self.scale * self.reduce(F.gelu(self.expand(self.norm(hidden))))
        return x + hidden.transpose(1, 2)


def convolution(conv: Any) -> nn.Sequential:
    """nn.Conv1d with the weights of a `CausalConv`, padded on the left."""
    taps, outputs = conv.kernel_size, conv.linear.out_features
    layer = nn.Conv1d(conv.linear.in_features // taps, outputs, taps, conv.stride)
    with torch.no_grad():
        layer.weight.copy_(conv.linear.weight.unflatten(1, (taps, -1)).transpose(1, 2))
        layer.bias.copy_(conv.linear.bias)
    return nn.Sequential(nn.ConstantPad1d((conv.past, 0), 0.0), layer)


class StraightforwardCodec(nn.Module):
    """The codec of a causal encoder, residual SimVQ and a causal decoder with an MDCT head."""

    def __init__(self, codec: Any) -> None:
        super().__init__()
        encoder, decoder = codec.encoder, codec.decoder
        self.compression = encoder.config.compression
        self.downsample = nn.ModuleList(convolution(conv) for conv in encoder.downsample)
        self.stacks = nn.ModuleList(
            nn.Sequential(*(Block(block) for block in stack.blocks)) for stack in encoder.stacks
        )
        self.norm, self.project = encoder.norm, encoder.project
        self.stages = codec.quantizer.stages
        self.embed, self.stack = (
            convolution(decoder.embed),
            nn.Sequential(*(Block(block) for block in decoder.stack.blocks)),
        )
        self.norm_in, self.norm_out, self.head = decoder.norm_in, decoder.norm_out, decoder.head
        self.delay, self.hop_length = decoder.delay, codec.hop_length

    def forward(self, waveform: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Waveform (batch, 1, time) and loss of the quantizer."""
        latent, loss = self.quantize(self.encode(waveform), counts)
        decoded = self.decode(F.pad(latent, (0, self.delay)))
        return decoded[..., self.delay * self.hop_length :], loss

    def encode(self, waveform: Tensor) -> Tensor:
        x = waveform
        for index, (downsample, stack) in enumerate(zip(self.downsample, self.stacks, strict=True)):
            x = downsample(x).float()
            if index == 0 and self.compression:
                strength = torch.tensor(self.compression)
                x = torch.asinh(strength * x) / torch.asinh(strength)
            x = stack(x)
        latent = self.project(self.norm(x.transpose(1, 2))).float()
        return F.layer_norm(latent, latent.shape[-1:]).transpose(1, 2)

    def quantize(self, latent: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
        residual, total, loss = latent, torch.zeros_like(latent), latent.new_zeros(())
        variance = latent.detach().var(dim=(0, 2), correction=0).mean()
        for index, stage in enumerate(self.stages):
            active = (index < counts).float()[:, None, None]
            codebook = stage.projection(stage.basis).float()  # all of it, with gradient
            frames = residual.transpose(1, 2)
            distance = frames.square().sum(-1, keepdim=True) + codebook.square().sum(-1)
            codes = (distance - 2 * frames @ codebook.t()).argmin(-1)
            nearest = codebook[codes].transpose(1, 2)
            squares = (nearest - residual.detach()).square()
            commitment = (residual - nearest.detach()).square()
            weight = stage.config.commitment_weight
            loss = loss + (active * (squares + weight * commitment)).mean() / variance
            total = total + (active * nearest).detach()
            residual = residual - nearest.detach()
        return latent + (total - latent).detach(), loss

    def decode(self, latent: Tensor) -> Tensor:
        x = self.embed(latent).float()
        x = self.stack(self.norm_in(x.transpose(1, 2)).transpose(1, 2))
        features = self.norm_out(x.transpose(1, 2))
        with torch.autocast(features.device.type, enabled=False):
            log_magnitude, phase = self.head.project(features.float()).chunk(2, dim=-1)
            coefficients = log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp() * phase.cos()
            frames = (coefficients @ self.head.basis).transpose(1, 2)
            size, hop = frames.shape[1], self.hop_length
            length = (frames.shape[2] - 1) * hop + size
            added = F.fold(frames, (1, length), kernel_size=(1, size), stride=(1, hop))
        return added[:, 0, :, : frames.shape[2] * hop]


class StraightforwardScale(nn.Module):
    """A scale of the multi-scale STFT discriminator on torch.stft, channels first."""

    def __init__(self, scale: Any) -> None:
        super().__init__()
        self.convs, self.post = scale.convs, scale.post
        self.window, self.hop_length = scale.spectrum.window, scale.spectrum.hop_length
        self.exponent = scale.spectrum.config.exponent

    def forward(self, waveform: Tensor) -> tuple[Tensor, list[Tensor]]:
        spectrum = torch.stft(
            waveform.squeeze(1),
            len(self.window),
            self.hop_length,
            window=self.window,
            pad_mode="constant",
            return_complex=True,
        )
        power = spectrum.real.square() + spectrum.imag.square() + FLOOR**2
        spectrum = (spectrum * power.pow((self.exponent - 1) / 2)).unsqueeze(1)
        x = torch.cat([spectrum.real, spectrum.imag], dim=1).transpose(2, 3)
        maps = []
        for conv in self.convs:
            x = F.leaky_relu(conv(x), 0.2)
            maps.append(x)
        return self.post(x), maps


class StraightforwardDiscriminators(nn.Module):
    """An ensemble of multi-scale STFT discriminators."""

    def __init__(self, ensemble: Any) -> None:
        super().__init__()
        self.configs = [member.config for member in ensemble.members]
        self.members = nn.ModuleList(
            nn.ModuleList(StraightforwardScale(scale) for scale in member.scales)
            for member in ensemble.members
        )

    def forward(self, real: Tensor, fake: Tensor) -> list[DiscriminatorOutput]:
        return [
            DiscriminatorOutput(
                config, [scale(real) for scale in scales], [scale(fake) for scale in scales]
            )
            for config, scales in zip(self.configs, self.members, strict=True)
        ]


def plain_matching(outputs: list[DiscriminatorOutput]) -> Tensor:
    """Feature matching as in HiFi-GAN, relative to the real maps as in EnCodec."""
    terms = []
    for output in outputs:
        distances = []
        for (_, real), (_, fake) in zip(output.real, output.fake, strict=True):
            for wanted, found in zip(real, fake, strict=True):
                distance = (wanted.detach() - found).abs().mean()
                if output.config.normalised_features:
                    distance = distance / wanted.detach().abs().mean().clamp_min(MIN_MAGNITUDE)
                distances.append(distance)
        terms.append(output.config.feature_weight * torch.stack(distances).mean())
    return torch.stack(terms).sum()


class StraightforwardStep:
    """Both updates of one batch, one after the other; `terms` computes losses without stepping.

    `plain_spectra`: also losses and discriminators on torch.stft and plain distances, not on ours.
    """

    def __init__(
        self, config: TrainConfig, networks: Networks, autocast: Any, plain_spectra: bool = True
    ) -> None:
        self.config, self.autocast = config, autocast
        self.codec = StraightforwardCodec(networks.codec)
        self.discriminators: nn.Module = networks.discriminators
        self.losses: Any = reconstruction_losses(config.losses, config.codec.sample_rate)
        self.matching = feature_matching_loss
        if not plain_spectra:
            self._prepare()
            return
        self.discriminators = StraightforwardDiscriminators(networks.discriminators)
        self.matching = plain_matching
        self.losses = {
            "mel": plain_mel(config.losses.mel_settings),
            "stft": plain_stft(config.losses.stft_settings),
            "waveform": lambda real, fake: (real - fake).abs().mean(),
        }
        self._prepare()

    def _prepare(self) -> None:
        config = self.config
        self.average = [parameter.detach().clone() for parameter in self.codec.parameters()]
        self.optimizers = [
            optimizer(self.codec, config.optimizer),
            optimizer(self.discriminators, config.discriminator_optimizer),
        ]

    def terms(self, real: Tensor, counts: Tensor) -> tuple[Terms, Tensor]:
        """Losses of the codec, and the fake."""
        with self.autocast():
            fake, quantizer = self.codec(real, counts)
        terms = {"quantizer": quantizer}
        terms |= {name: loss(real, fake) for name, loss in self.losses.items()}
        with self.autocast():
            outputs = self.discriminators(real, fake)
        terms["adversarial"] = generator_loss(outputs)
        terms["feature_matching"] = self.matching(outputs)
        return terms, fake

    def judge(self, real: Tensor, fake: Tensor) -> Tensor:
        """The loss of the discriminators."""
        with self.autocast():
            return discriminator_loss(self.discriminators(real, fake.detach()))

    def __call__(self, real: Tensor, counts: Tensor) -> None:
        terms, fake = self.terms(real, counts)
        total = sum(self.config.losses.weight(name) * term for name, term in terms.items())
        self._update(0, total, self.config.optimizer)
        self._update(1, self.judge(real, fake), self.config.discriminator_optimizer)
        with torch.no_grad():
            for average, parameter in zip(self.average, self.codec.parameters(), strict=True):
                average.mul_(0.999).add_(parameter, alpha=0.001)

    def _update(self, index: int, loss: Any, settings: OptimizerConfig) -> None:
        module = (self.codec, self.discriminators)[index]
        module.zero_grad()
        loss.backward()
        if settings.clip_norm is not None:
            nn.utils.clip_grad_norm_(module.parameters(), settings.clip_norm)
        self.optimizers[index].step()


def optimizer(module: nn.Module, settings: OptimizerConfig) -> torch.optim.Optimizer:
    """AdamW as it comes."""
    return torch.optim.AdamW(
        module.parameters(),
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        weight_decay=settings.weight_decay,
    )
