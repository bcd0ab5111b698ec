"""How fast is training, where does its time go, and what has that to do with how it is written?

Prints JSON. `split` is seconds a step of each part, forward and backward, measured alone.
`straightforward` is the same step with the same weights as one writes it first (benchmarks/
straightforward.py), which must give the same losses before its time counts. `depthwise` compares
the two ways of that convolution, forward and backward. With one thread, processor time is
measured, which other work on the machine hardly moves.
"""

import argparse
import copy
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from straightforward import StraightforwardStep
from torch import Tensor
from torch.nn import functional as F

from audiocodec.audio import audio_info
from audiocodec.config import load_config
from audiocodec.data.crops import Crops
from audiocodec.data.data_dir import Utterance
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import environment
from audiocodec.losses.adversarial import discriminator_loss, generator_loss
from audiocodec.losses.feature_matching import feature_matching_loss
from audiocodec.modules.conv import depthwise
from audiocodec.training.backward import Phase, TrainingBatch
from audiocodec.training.config import TrainConfig
from audiocodec.training.networks import Networks
from audiocodec.training.optimization import gradient_norm, gradients, scale_and_clip
from audiocodec.training.schedule import draw_num_quantizers
from audiocodec.training.update import Updater

CONFIG = Path(__file__).parent / "training.yaml"
PHASE = Phase(quantize=True, adversarial=True)
CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    watch = Watch(args.threads, args.repeats)
    config = load_config(TrainConfig, args.config, args.assignments)
    crops = Crops(utterances(), config.crops, config.codec.sample_rate, config.seed)
    real = torch.stack(
        [torch.from_numpy(crops(0, row).waveform) for row in range(config.batch_size)]
    )
    real = real.unsqueeze(1)
    updater = started_updater(config, real)
    counts = draw_num_quantizers(0, 0, 0, len(real), updater.networks.codec.num_quantizers, 0.5)
    differences = compare_terms(config, real, counts)
    plain, ours = (
        StraightforwardStep(config, copy.deepcopy(updater.networks), updater.autocast, plain)
        for plain in (True, False)
    )
    whole, other, codec_only = watch.alternately(
        lambda: updater.update(TrainingBatch(real, counts), PHASE),
        lambda: plain(real, counts),
        lambda: ours(real, counts),
    )
    data = watch.seconds(lambda: [crops(1, row) for row in range(config.batch_size)])
    audio = config.batch_size * config.crops.seconds
    report = {
        "config": str(args.config.name),
        "threads": args.threads,
        "precision": updater.precision,
        "seconds_per_step": whole,
        "audio_seconds_per_second": audio / whole,
        "audio_seconds_per_second_with_data": audio / (whole + data),
        "split": {**split(updater, real, counts, watch), "data": data},
        "straightforward": {
            "seconds_per_step": other,
            "audio_seconds_per_second": audio / other,
            "speed_up": other / whole,
            "speed_up_with_our_spectra_in_both": codec_only / whole,
            "largest_relative_difference_of_terms": differences,
        },
        "depthwise": depthwise_times(config, watch),
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


class Watch:
    """Medians of repeated runs."""

    def __init__(self, threads: int, repeats: int) -> None:
        self.clock = time.process_time if threads == 1 else time.perf_counter
        self.repeats = repeats

    def once(self, work: Callable[[], Any]) -> float:
        start = self.clock()
        work()
        return self.clock() - start

    def seconds(self, work: Callable[[], Any]) -> float:
        work()
        return statistics.median(self.once(work) for _ in range(self.repeats))

    def alternately(self, *works: Callable[[], Any]) -> list[float]:
        """Of several, turn by turn, so that a slow minute hits all of them."""
        for work in works:
            work()
        rounds = [[self.once(work) for work in works] for _ in range(self.repeats)]
        return [statistics.median(column) for column in zip(*rounds, strict=True)]


def utterances() -> list[Utterance]:
    rows = []
    for path in shipped_speech():
        info = audio_info(path)
        speaker = path.parent.name
        rows.append(Utterance(path.stem, path, speaker, info.num_samples, info.sample_rate))
    return rows


def started_updater(config: TrainConfig, real: Tensor) -> Updater:
    """An updater whose quantizer was started from latents."""
    networks = Networks(config, "benchmark", CPU)
    with torch.no_grad():
        networks.codec.quantizer.initialize(networks.codec.encoder(real))
    return Updater(config, networks, CPU)


def compare_terms(config: TrainConfig, real: Tensor, counts: Tensor) -> float:
    """How far the two ways are apart in float32: largest relative difference of a term."""
    options = {**config.__dict__, "precision": "fp32"}
    updater = started_updater(TrainConfig(**options), real)
    straight = StraightforwardStep(config, copy.deepcopy(updater.networks), updater.autocast)
    with torch.no_grad():
        wanted, fake = straight.terms(real, counts)
        wanted["discriminator"] = straight.judge(real, fake)
    found = updater.backward_pass(TrainingBatch(real, counts), PHASE).terms
    assert found.keys() == wanted.keys()
    difference = max(float((found[n] / wanted[n] - 1).abs()) for n in found)
    assert difference < 1e-2, "the two steps compute different losses"
    return difference


def split(updater: Updater, real: Tensor, counts: Tensor, watch: Watch) -> dict[str, float]:
    """Seconds of each part of a step, forward and backward."""
    codec, backward_pass = updater.networks.codec, updater.backward_pass
    judges = updater.networks.discriminators
    with updater.autocast(), torch.no_grad():
        latent = codec.encoder(real)
        fake = codec(real, counts).waveform.float()

    def encoder() -> None:
        with updater.autocast():
            codec.encoder(real).sum().backward()

    def quantizer() -> None:
        with updater.autocast():
            done = codec.quantizer(latent.requires_grad_(), counts)
        (done.loss + done.latent.sum()).backward()

    def decoder() -> None:
        with updater.autocast():
            codec.decoder(latent.requires_grad_()).sum().backward()

    def losses() -> None:
        leaf = fake.detach().requires_grad_()
        torch.stack(
            [loss(real, leaf) for loss in backward_pass.reconstruction.values()]
        ).sum().backward()

    def discriminators() -> None:
        leaf = fake.detach().requires_grad_()
        with updater.autocast():
            judged = judges(real, leaf)
        total = generator_loss(judged) + feature_matching_loss(judged)
        torch.autograd.grad(total, leaf, retain_graph=True)
        torch.autograd.backward(discriminator_loss(judged), inputs=list(judges.parameters()))

    def optimizers() -> None:
        for name, module in (("codec", codec), ("discriminators", judges)):
            grads = gradients(module)
            scale_and_clip(grads, float(gradient_norm(grads)), 1.0, 1.0)
            updater.networks.optimizers[name].step()
        updater.networks.ema.update(codec)

    parts = (encoder, quantizer, decoder, losses, discriminators, optimizers)
    return {part.__name__: watch.seconds(part) for part in parts}


def depthwise_times(config: TrainConfig, watch: Watch) -> dict[str, Any]:
    """Forward and backward of a depthwise convolution of the decoder's size, in float32."""
    channels, taps = config.codec.decoder.channels, config.codec.decoder.kernel_size
    frames = round(config.crops.seconds * config.codec.sample_rate / config.codec.hop_length)
    shape = (config.batch_size, frames + taps - 1, channels)
    channels_last = torch.randn(shape, requires_grad=True)
    weight = torch.randn(taps, channels, requires_grad=True)
    channels_first = channels_last.detach().transpose(1, 2).contiguous().requires_grad_()
    grouped = weight.detach().t().unsqueeze(1).contiguous().requires_grad_()

    def shifted() -> None:
        for _ in range(10):
            depthwise(channels_last, weight).sum().backward()

    def library() -> None:
        for _ in range(10):
            F.conv1d(channels_first, grouped, groups=channels).sum().backward()

    ours, theirs = watch.alternately(shifted, library)
    return {
        "shape": shape,
        "shifted_multiply_adds": ours / 10,
        "conv1d": theirs / 10,
        "speed_up": theirs / ours,
    }


if __name__ == "__main__":
    main()
