"""How many of 1024 codes are in use within 200 steps of a codebook's start? Prints JSON.

SimVQ and plain vector quantization, from data and at random, on the shipped speech (2 minutes):
`fixed`: on the latents of the shipped encoder, the codebook alone learning; `--speech` takes other
speech. `--moving`, which takes minutes: in a small codec that has been an autoencoder for 200 steps
and goes on learning through the codebook; nothing keeps it from using few codes but its loss.
"""

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiocodec import config as configuration
from audiocodec.audio import read_waveform
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import environment
from audiocodec.losses.spectral import MultiResolutionMel, MultiResolutionMelConfig
from audiocodec.models.bundle import load_codec
from audiocodec.models.codec import Codec, pad_to_hop
from audiocodec.models.config import CodecConfig
from audiocodec.models.folders import DEFAULT_MODEL
from audiocodec.quantization.base import Quantizer
from audiocodec.quantization.simvq import SimVQ, SimVQConfig
from audiocodec.quantization.usage import UsageCounter

RATE, CROP, BATCH, CODES, FRAMES = 24_000, 14_400, 8, 1024, 600
AUTOENCODER_STEPS, LEARNING_RATE = 200, 1e-3
PLAIN = {"map": "identity", "basis": "trained"}
QUANTIZERS: Mapping[str, Mapping[str, object]] = {
    "simvq, from data": {},
    "simvq, at random": {"data_start": False},
    "plain vq, from data": PLAIN,
    "plain vq, at random": PLAIN | {"data_start": False},
}
FREE = {"commitment_weight": 0.0}  # latents are not pulled to the codes that they chose
IN_MOTION: Mapping[str, Mapping[str, object]] = {
    "simvq, from data": {},
    "simvq, from data, no commitment": FREE,
    "plain vq, from data": PLAIN,
    "plain vq, from data, no commitment": PLAIN | FREE,
}
Rows = dict[str, dict[str, float]]


@torch.no_grad()
def latents_of(codec: Codec, utterances: list[Tensor]) -> Tensor:
    """(1, dim, frames) of all utterances, one after the other."""
    padded = [pad_to_hop(waveform[None, None], codec.hop_length) for waveform in utterances]
    return torch.cat([codec.encoder(waveform) for waveform in padded], dim=-1)


def usage(quantizer: Quantizer, latents: Tensor) -> dict[str, float]:
    """Over all frames; `error` is the mean squared one over the variance."""
    quantizer.eval()
    codes = quantizer.encode(latents)
    counter = UsageCounter([CODES])
    counter.update(codes)
    stage = counter.per_codebook()[0]
    with torch.no_grad():
        error = (quantizer.decode(codes) - latents).square().mean() / latents.var()
    quantizer.train()
    return {
        "used": stage.used,
        "share": round(stage.share, 3),
        "perplexity": round(stage.perplexity, 1),
        "error": round(float(error), 4),
    }


def follow(
    step: Callable[[int], None], count: Callable[[], dict[str, float]], counted: list[int]
) -> Rows:
    """Take steps and count at those of `counted`."""
    rows = {}
    for number in range(max(counted) + 1):
        if number in counted:
            rows[f"after {number} steps"] = count()
        step(number)
    return rows


def fixed(latents: Tensor, options: Mapping[str, object], counted: list[int]) -> Rows:
    torch.manual_seed(0)
    config = configuration.from_dict(SimVQConfig, {"codebook_size": CODES} | dict(options))
    quantizer = SimVQ(config, latents.shape[1])
    quantizer.initialize(latents)
    optimizer = torch.optim.Adam(quantizer.parameters(), lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(0)

    def step(_: int) -> None:
        batch = torch.randint(latents.shape[-1], (FRAMES,), generator=generator)
        optimizer.zero_grad()
        quantizer(latents[..., batch]).loss.backward()
        optimizer.step()

    return follow(step, lambda: usage(quantizer, latents), counted)


class Moving:
    """A small codec in training."""

    def __init__(self, utterances: list[Tensor], options: Mapping[str, object]) -> None:
        values = {
            "encoder": {"kind": "convnext", "strides": [320], "channels": [128], "blocks": [3]}
            | {"mdct_start": True},
            "quantizer": {"kind": "simvq", "codebook_size": CODES} | dict(options),
            "decoder": {"kind": "convnext", "channels": 192, "blocks": 3, "head": {"kind": "mdct"}},
        }
        torch.manual_seed(0)
        self.codec = Codec(configuration.from_dict(CodecConfig, values))
        self.utterances, self.speech = utterances, torch.cat(utterances)
        self.mel = MultiResolutionMel(MultiResolutionMelConfig(), RATE)
        self.optimizer = torch.optim.Adam(self.codec.parameters(), lr=LEARNING_RATE)
        self.quantize = False

    def step(self, number: int) -> None:
        """Learn from crops that depend on the number and the phase alone."""
        generator = torch.Generator().manual_seed(2 * number + self.quantize)
        starts = torch.randint(len(self.speech) - CROP, (BATCH,), generator=generator).tolist()
        real = torch.stack([self.speech[start : start + CROP] for start in starts]).unsqueeze(1)
        output = self.codec(real, quantize=self.quantize)
        loss = self.mel(real, output.waveform) + (output.waveform - real).abs().mean()
        if output.quantized is not None:
            loss = loss + output.quantized.loss
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()

    def follow(self, counted: list[int]) -> Rows:
        """From the autoencoder through the codebook."""
        for number in range(AUTOENCODER_STEPS):
            self.step(number)
        quantizer = self.codec.quantizer
        quantizer.initialize(latents_of(self.codec, self.utterances))
        self.quantize = True
        return follow(
            self.step, lambda: usage(quantizer, latents_of(self.codec, self.utterances)), counted
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counted", type=int, nargs="+", default=[0, 50, 200], metavar="STEP")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="whose latents are fixed")
    parser.add_argument("--speech", type=Path, nargs="+", metavar="FILE", help="default: shipped")
    parser.add_argument("--moving", action="store_true", help="also while an encoder learns")
    args = parser.parse_args()
    torch.set_num_threads(1)
    paths = args.speech or shipped_speech()
    utterances = [torch.from_numpy(read_waveform(path, RATE)[0]) for path in paths]
    codec = load_codec(args.model)
    latents = latents_of(codec, utterances)
    report: dict[str, Any] = {
        "speech_seconds": round(sum(map(len, utterances)) / RATE, 1),
        "model_hash": codec.weight_hash,
        "fixed": {name: fixed(latents, own, args.counted) for name, own in QUANTIZERS.items()},
    }
    if args.moving:
        report["moving"] = {
            name: Moving(utterances, own).follow(args.counted) for name, own in IN_MOTION.items()
        }
    report["environment"] = environment()
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
