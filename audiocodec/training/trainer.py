"""The training loop: data, updates, checkpoints, validation, logs. Only this file knows accelerate.

A run is a function of its configuration and data: crops and dropout are drawn from (seed, step,
row), so a killed run goes on from its newest checkpoint as if nothing had happened.
"""

import logging
import math
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from torch import Tensor, nn
from tqdm import tqdm

from audiocodec import config as configuration
from audiocodec.data.data_dir import Utterance
from audiocodec.data.loader import CropLoader
from audiocodec.discriminators import DISCRIMINATORS
from audiocodec.discriminators.ensemble import DiscriminatorEnsemble
from audiocodec.errors import CodecError
from audiocodec.losses.spectral import MultiResolutionMel, MultiResolutionStft, waveform_l1
from audiocodec.models.codec import Codec
from audiocodec.training import checkpoint
from audiocodec.training.config import OptimizerConfig, TrainConfig
from audiocodec.training.ema import Ema
from audiocodec.training.journal import Journal
from audiocodec.training.schedule import draw_num_quantizers, learning_rate_factor
from audiocodec.training.step import Phase, Terms, Update
from audiocodec.training.validation import Validator

log = logging.getLogger(__name__)

INIT_BATCHES = 16  # batches of latents that the quantizer starts from


class Interrupted(CodecError):
    """Stopped by a signal after saving a checkpoint; a scheduler that requeues may go on."""

    exit_code = 75  # EX_TEMPFAIL


class Trainer:
    """One training run in `experiment`; `run` starts it or goes on with it."""

    def __init__(
        self,
        config: TrainConfig,
        experiment: Path,
        train: Sequence[Utterance],
        valid: Sequence[Utterance],
        *,
        workers: int = 0,
        cpu: bool = False,
    ) -> None:
        self.config, self.experiment, self.train, self.workers = config, experiment, train, workers
        self.accelerator = Accelerator(
            mixed_precision=resolve_precision(config.precision, cpu),
            cpu=cpu,
            kwargs_handlers=[
                DistributedDataParallelKwargs(find_unused_parameters=True, broadcast_buffers=False)
            ],
        )
        torch.manual_seed(config.seed)
        codec = Codec(config.codec, name=experiment.name)
        judges = [DISCRIMINATORS.build(options) for options in config.discriminators]
        discriminators = DiscriminatorEnsemble(judges)
        self.ema = Ema(codec.to(self.accelerator.device), config.ema_decay)
        self.optimizers = {
            "codec": build_optimizer(codec, config.optimizer),
            "discriminators": build_optimizer(discriminators, config.discriminator_optimizer),
        }
        self.base_rates = {name: o.param_groups[0]["lr"] for name, o in self.optimizers.items()}
        self.codec, self.discriminators = codec, discriminators
        self.update = self._prepare_update()
        self.validator = Validator(valid, config, experiment)
        self.journal = Journal(experiment, enabled=self.accelerator.is_main_process)
        self.step = 0
        self._signal: int | None = None

    def _prepare_update(self) -> Update:
        accelerator, rate = self.accelerator, self.config.codec.sample_rate
        codec, discriminators, *optimizers = accelerator.prepare(
            self.codec, self.discriminators, *self.optimizers.values()
        )
        self.optimizers = dict(zip(self.optimizers, optimizers, strict=True))
        settings = self.config.losses
        losses = nn.ModuleDict(
            {
                "mel": MultiResolutionMel(settings.mel_settings, rate),
                "stft": MultiResolutionStft(settings.stft_settings),
                "waveform": WaveformL1(),
            }
        )
        used = nn.ModuleDict({n: loss for n, loss in losses.items() if settings.weight(n)})
        return Update(
            codec,
            discriminators,
            used.to(accelerator.device),
            settings,
            accelerator.backward,
            accelerator.autocast,
        )

    def run(self) -> None:
        """Train to the last step.

        Raises:
            Interrupted: SIGTERM, SIGINT or SIGUSR1 arrived; a checkpoint has been written.
        """
        self._resume()
        try:
            with self._signals(), self._progress() as progress:
                self._loop(progress)
        finally:
            self.journal.close()

    def _loop(self, progress: "tqdm[Any]") -> None:
        start, seconds = self.step, time.monotonic()
        for batch in self._batches():
            terms = self._one_step(batch)
            progress.update()
            if self.step % self.config.log_every == 0:
                elapsed = time.monotonic() - seconds
                self._log(terms, self._audio_seconds(self.step - start) / elapsed, progress)
                start, seconds = self.step, time.monotonic()
            self._after_step()

    def _one_step(self, waveform: Tensor) -> Terms:
        config, step = self.config, self.step
        if step == config.autoencoder_steps:
            self._start_quantizer()
        phase = Phase.at(step, config)
        factor = learning_rate_factor(step, config.warmup_steps, config.decay_steps, config.steps)
        for name, optimizer in self.optimizers.items():
            for group in optimizer.param_groups:
                group["lr"] = factor * self.base_rates[name]
        rows = waveform.shape[0]
        first = rows * self.accelerator.process_index
        stages = draw_num_quantizers(
            config.seed, step, first, rows, self.codec.num_quantizers, config.quantizer_dropout
        )
        terms = self.update(waveform, stages.to(waveform.device), phase)
        self._apply("codec", self.codec, config.optimizer, terms)
        if phase.adversarial:
            settings = config.discriminator_optimizer
            self._apply("discriminators", self.discriminators, settings, terms)
        self.ema.update(self.codec)
        self.step += 1
        return terms

    def _apply(self, name: str, module: nn.Module, settings: OptimizerConfig, terms: Terms) -> None:
        optimizer = self.optimizers[name]
        norm = self.accelerator.clip_grad_norm_(module.parameters(), settings.clip_norm)
        terms[f"gradient/{name}"] = norm.detach()
        if torch.isfinite(norm):  # one bad crop must not poison the weights
            optimizer.step()
        else:
            log.warning("step %d: gradient of the %s is not finite; step skipped", self.step, name)
        optimizer.zero_grad()

    @torch.no_grad()
    def _start_quantizer(self) -> None:
        """Set the quantizer to the distribution of the latents it will see."""
        loader = self._loader(self.step, self.step + INIT_BATCHES)
        latents = [
            self.codec.encoder(waveform.to(self.accelerator.device)) for waveform, _ in loader
        ]
        gathered = self.accelerator.gather(torch.cat(latents))
        self.codec.quantizer.initialize(gathered)
        self.ema.average.quantizer.load_state_dict(self.codec.quantizer.state_dict())
        log.info("step %d: quantizer started from %d frames", self.step, gathered[:, 0].numel())

    def _loader(self, start: int, stop: int) -> CropLoader:
        return CropLoader(
            self.train,
            self.config.crops,
            sample_rate=self.config.codec.sample_rate,
            batch_size=self.config.batch_size,
            seed=self.config.seed,
            start=start,
            stop=stop,
            rank=self.accelerator.process_index,
            workers=self.workers,
        )

    def _batches(self) -> Iterator[Tensor]:
        for waveform, _ids in self._loader(self.step, self.config.steps):
            yield waveform.to(self.accelerator.device, non_blocking=True)

    def _after_step(self) -> None:
        step, last = self.step, self.step == self.config.steps
        if self._signal is not None or last or step % self.config.save_every == 0:
            self._save()
        if self._signal is not None and not last:
            name = signal.Signals(self._signal).name
            raise Interrupted(f"stopped by {name} at step {step}; run again to go on from there")
        if last or step % self.config.validate_every == 0:
            self._validate()

    def _validate(self) -> None:
        if self.accelerator.is_main_process:
            results = self.validator.run(self.ema.average, self.step)
            self.journal.write(self.step, {f"valid/{k}": v for k, v in results.items()})
            log.info(
                "step %d: %s", self.step, "  ".join(f"{k} {v:.4g}" for k, v in results.items())
            )
        self.accelerator.wait_for_everyone()

    def _log(self, terms: Terms, speed: float, progress: "tqdm[Any]") -> None:
        values = {name: float(value) for name, value in terms.items()}
        values["audio_seconds_per_second"] = speed
        values["learning_rate"] = self.optimizers["codec"].param_groups[0]["lr"]
        self.journal.write(self.step, values)
        progress.set_postfix(mel=f"{values.get('mel', math.nan):.3f}", speed=f"{speed:.1f}x")

    def _audio_seconds(self, steps: int) -> float:
        rows = steps * self.config.batch_size * self.accelerator.num_processes
        return rows * self.config.crops.seconds

    def _progress(self) -> "tqdm[Any]":
        return tqdm(
            total=self.config.steps,
            initial=self.step,
            unit="step",
            disable=None if self.accelerator.is_main_process else True,
        )

    def _save(self) -> None:
        if self.accelerator.is_main_process:
            checkpoint.save_checkpoint(
                self.experiment,
                self.step,
                self.ema.average,
                self.state_dict(),
                self.config.keep_checkpoints,
            )
        self.accelerator.wait_for_everyone()

    def state_dict(self) -> checkpoint.State:
        """Everything that the next step depends on, besides the configuration and the data."""
        scaler = self.accelerator.scaler
        return {
            "config": configuration.to_dict(self.config),
            "step": self.step,
            "codec": self.codec.state_dict(),
            "discriminators": self.discriminators.state_dict(),
            "average": self.ema.average.state_dict(),
            "average_updates": self.ema.updates,
            "optimizers": {name: o.state_dict() for name, o in self.optimizers.items()},
            "scaler": None if scaler is None else scaler.state_dict(),
            "best": self.validator.best,
        }

    def _resume(self) -> None:
        state = checkpoint.latest_state(self.experiment)
        if state is None:
            return
        self.step = state["step"]
        self.codec.load_state_dict(state["codec"])
        self.discriminators.load_state_dict(state["discriminators"])
        self.ema.average.load_state_dict(state["average"])
        self.ema.updates = state["average_updates"]
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.validator.best = state["best"]

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Finish the step, save and stop when asked to."""

        def remember(number: int, _frame: FrameType | None) -> None:
            self._signal = number

        numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
        former = [signal.signal(number, remember) for number in numbers]
        try:
            yield
        finally:
            for number, handler in zip(numbers, former, strict=True):
                signal.signal(number, handler)


class WaveformL1(nn.Module):
    """Mean absolute difference of samples."""

    def forward(self, real: Tensor, fake: Tensor) -> Tensor:
        return waveform_l1(real, fake)


def build_optimizer(module: nn.Module, settings: OptimizerConfig) -> torch.optim.AdamW:
    """AdamW; vectors (biases, norms, layer scales) are not decayed."""
    matrices = [p for p in module.parameters() if p.dim() > 1]
    vectors = [p for p in module.parameters() if p.dim() <= 1]
    groups = [
        {"params": matrices, "weight_decay": settings.weight_decay},
        {"params": vectors, "weight_decay": 0.0},
    ]
    betas = (settings.beta1, settings.beta2)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, betas=betas, fused=True)


def resolve_precision(precision: str, cpu: bool) -> str:
    """`auto` is bfloat16 where the hardware multiplies it natively."""
    if precision != "auto":
        return precision
    if not cpu and torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if native else "no"
