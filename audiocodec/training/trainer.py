"""The training loop: data, checkpoints, validation, logs. Only this file knows accelerate.

A run is a function of its configuration and data: crops, dropout and whatever else is random are
drawn from (seed, step, row), so a killed run goes on from its newest checkpoint as if nothing had
happened.
"""

import importlib.util
import logging
import math
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from audiocodec import config as configuration
from audiocodec.data.data_dir import Utterance
from audiocodec.data.loader import Batch, CropLoader, Reported
from audiocodec.data.readers import StoppedWaiting
from audiocodec.errors import DataError
from audiocodec.extras import extra
from audiocodec.files import atomic_path
from audiocodec.models.bundle import save_codec
from audiocodec.training import checkpoint
from audiocodec.training.backward import Phase, TrainingBatch
from audiocodec.training.checkpoint import Checkpoint, Start
from audiocodec.training.config import TrainConfig
from audiocodec.training.guard import Guard
from audiocodec.training.interruption import Interrupted, StopRequest
from audiocodec.training.networks import Networks
from audiocodec.training.provenance import describe_run, refuse_changes
from audiocodec.training.run_log import RunLog
from audiocodec.training.schedule import draw_num_quantizers, learning_rate_factor, seed_step
from audiocodec.training.update import Updater, UpdateResult
from audiocodec.training.validation import Score, Validator, quality, summarise
from audiocodec.training.window import Window

with extra("train"):
    from accelerate import Accelerator
    from accelerate.utils import gather_object

log = logging.getLogger(__name__)

INIT_BATCHES = 16  # batches of latents that the quantizer starts from


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
        start: Start | None = None,
        allow_changes: bool = False,
    ) -> None:
        if not valid:
            raise DataError("no utterances to validate on; check the data directories")
        self.config, self.experiment, self.train, self.workers = config, experiment, train, workers
        self.accelerator = Accelerator(
            mixed_precision="no",  # ours, see update.py: one scale for two optimizers
            cpu=cpu,
            log_with="tensorboard" if importlib.util.find_spec("tensorboard") else None,
            project_dir=experiment,
        )
        self.device, self.is_main = self.accelerator.device, self.accelerator.is_main_process
        self.rank, self.processes = self.accelerator.process_index, self.accelerator.num_processes
        torch.backends.cudnn.benchmark = True  # all batches have one shape
        self.networks = Networks(config, experiment.name, self.device, start)
        self.updater = Updater(config, self.networks, self.device)
        self.description = describe_run(config, train, valid, self.processes)
        self.allow_changes = allow_changes
        self.validator = Validator(valid, config)
        self.guard, self.stop = Guard(config.guard), StopRequest()
        self.window = Window(self.networks.codec.codebook_sizes, self.device)
        self.run_log = RunLog(experiment)
        self.reported: Reported = set()
        self.step = 0
        self.quantizer_started = start is not None
        self.validated = 0  # the last step that was
        self.best: float | None = None
        self.best_step: int | None = None

    def run(self) -> None:
        """Train to the last step.

        Raises:
            Interrupted: SIGTERM, SIGINT or SIGUSR1 arrived; a checkpoint has been written.
            ConfigError: a checkpoint is there, of other options or data.
            Diverged: losses or gradients stay not finite.
        """
        with self.stop.listening():
            self._resume()
            self._open_log()
            try:
                with self._progress() as progress:
                    self._loop(progress)
            finally:
                for tracker in self.accelerator.trackers:
                    tracker.finish()
                self.accelerator.trackers = []
        self.accelerator.end_training()
        if self.is_main:
            log.info("step %d: done; the model is %s", self.step, self.experiment / "model")

    def _open_log(self) -> None:
        if self.is_main:
            with atomic_path(self.experiment / "config.yaml") as temporary:
                temporary.write_text(configuration.dump_yaml(self.config), encoding="utf-8")
            self.run_log.rewind(self.step)
        options = {"tensorboard": {"purge_step": self.step + 1}}  # a killed run may have gone on
        self.accelerator.init_trackers("tensorboard", init_kwargs=options)
        if self.is_main and self.accelerator.trackers:
            self.run_log.board = self.accelerator.get_tracker("tensorboard", unwrap=True)

    def _loop(self, progress: "tqdm[Any]") -> None:
        self._validate_if_due()
        self.window.clear()
        while self.step < self.config.steps:
            try:
                self._train_on_batches(progress)
            except StoppedWaiting:
                self._leave()

    def _leave(self) -> None:
        """Stop while no data come: alone with a checkpoint; other processes would have to agree."""
        if self.processes == 1 and self.guard.in_a_row == 0:
            self._save()
        reason = f"stopped by {self.stop.name} at step {self.step} while no audio came"
        raise Interrupted(f"{reason}; run again to go on") from None

    def _train_on_batches(self, progress: "tqdm[Any]") -> None:
        """Until the last step, or until the run has gone back to a checkpoint."""
        for batch in self._batches():
            went_on = self._one_step(batch)
            progress.update(self.step - progress.n)
            if not went_on:
                break  # to the data of the checkpoint
            if self.step % self.config.log_every == 0:
                self._report(progress)
            self._validate_if_due()
            self._save_if_due()

    def _one_step(self, batch: Batch) -> bool:
        """Train on one batch; False if the run is back at a checkpoint."""
        config, step = self.config, self.step
        if step == config.autoencoder_steps and not self.quantizer_started:
            self._start_quantizer()
        seed_step(config.seed, step, self.rank)
        factor = learning_rate_factor(step, config.warmup_steps, config.decay_steps, config.steps)
        self.networks.set_rate_factor(factor * self.guard.rate_factor)
        rows, count = len(batch.waveform), self.networks.codec.num_quantizers
        stages = draw_num_quantizers(
            config.seed, step, rows * self.rank, rows, count, config.quantizer_dropout
        ).to(self.device)
        stop = self.stop.number is not None
        training_batch = TrainingBatch(batch.waveform, stages, batch.bandwidth)
        done = self.updater.update(training_batch, Phase.at(step, config), stop)
        self.stop.everywhere = done.stop
        self.step += 1
        if done.bad is not None:
            self.window.skip()
            return self._skip(done, batch.utterance_ids)
        self.guard.passed()
        self.window.add(done.values, done.codes)
        return True

    def _skip(self, done: UpdateResult, names: Sequence[str]) -> bool:
        """Report a step that was not taken; False after a return to a checkpoint."""
        if done.overflow:
            scale = self.updater.loss_scale.value
            log.info("step %d: float16 overflow; loss scale now %g", self.step, scale)
            return True
        found = gather_object([names[row] for row in done.rows])
        blamed = found or gather_object(list(names))
        if self.is_main:
            log.warning(
                "step %d skipped: %s is not finite; %s %s",
                self.step,
                done.bad,
                "utterances" if found else "no utterance alone, all of",
                ", ".join(blamed),
            )
        if not self.guard.skipped():
            return True
        self._go_back()
        return False

    def _go_back(self) -> None:
        self.guard.go_back(self.step)
        returns, step = self.guard.returns, self.step
        found = checkpoint.latest_checkpoint(self.experiment)
        assert found is not None  # there is one from the start
        self._load(found)
        self.guard.returns, self.guard.in_a_row = returns, 0
        self.window.clear()
        if self.is_main:
            self.run_log.rewind(self.step)
            log.warning(
                "step %d: %d steps in a row were not finite; back to step %d, learning rates x %g",
                step,
                self.config.guard.patience,
                self.step,
                self.guard.rate_factor,
            )

    @torch.no_grad()
    def _start_quantizer(self) -> None:
        """Set the quantizer to the distribution of the latents it will see."""
        loader = self._loader(self.step, self.step + INIT_BATCHES)
        codec = self.networks.codec
        parts = [codec.encoder(batch.waveform.to(self.device)) for batch in loader]
        latents = torch.stack(parts)  # (batches, rows, ...)
        by_process = self.accelerator.gather(latents).view(self.processes, *latents.shape)
        gathered = by_process.transpose(0, 1).flatten(0, 2)  # in the order of one process
        codec.quantizer.initialize(gathered)
        self.networks.ema.average.quantizer.load_state_dict(codec.quantizer.state_dict())
        self.quantizer_started = True
        self.updater.distribute(self.step)
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
            rank=self.rank,
            workers=self.workers,
            reported=self.reported,
            stopping=lambda: self.stop.number is not None,
        )

    def _batches(self) -> Iterator[Batch]:
        for waveform, names, bandwidth in self._loader(self.step, self.config.steps):
            if bandwidth is not None:
                bandwidth = bandwidth.to(self.device, non_blocking=True)
            yield Batch(waveform.to(self.device, non_blocking=True), names, bandwidth)

    @property
    def _stopping(self) -> bool:
        alone = self.processes == 1 and self.stop.number is not None
        return alone or self.stop.everywhere

    @property
    def _last(self) -> bool:
        return self.step == self.config.steps

    def _validate_if_due(self) -> None:
        due = self.step > 0 and (self._last or self.step % self.config.validate_every == 0)
        if not due or self.validated == self.step:
            return
        average = self.networks.ema.average
        scores = gather_object(self.validator.score(average, self.rank, self.processes))
        if not scores:
            raise DataError(
                "no utterance of the validation set can be read; see the warnings above"
            )
        means = summarise(scores, average.codebook_sizes)
        value = quality(means, self.config.best)
        if value is not None and (self.best is None or value > self.best):
            self.best, self.best_step = value, self.step
            if self.is_main:
                save_codec(average, self.experiment / "model")
        if self.is_main:
            self._report_validation(scores, means)
        self.validated = self.step

    def _save_if_due(self) -> None:
        due = self.step % self.config.save_every == 0 or self.best_step == self.step
        # What steps are skipped upon is not saved: there would be no good state to go back to.
        healthy = self.guard.in_a_row == 0
        if self._last or (healthy and (due or self._stopping)):
            self._save()
        if self._stopping and not self._last:
            self.accelerator.end_training()
            raise Interrupted(
                f"stopped by {self.stop.name} at step {self.step}; run again to go on"
            )

    def _save(self) -> None:
        if self.is_main:
            checkpoint.save_checkpoint(
                checkpoint.checkpoint_folder(self.experiment, self.step),
                self.config,
                self.networks.ema.average,
                self.networks.discriminators,
                self._state_dict(),
            )
            keep = self.config.keep_checkpoints
            checkpoint.prune_checkpoints(self.experiment, keep, self.best_step)
        self.accelerator.wait_for_everyone()

    def _state_dict(self) -> checkpoint.State:
        return {
            "run": self.description,
            "engine": self.updater.state_dict(),
            "step": self.step,
            "quantizer_started": self.quantizer_started,
            "validated": self.validated,
            "best": self.best,
            "best_step": self.best_step,
            "guard": [self.guard.in_a_row, self.guard.returns],
        }

    def _load(self, found: Checkpoint) -> None:
        state = found.state
        self.updater.load_state_dict(state["engine"], found.average, found.discriminators)
        self.step, self.quantizer_started = state["step"], state["quantizer_started"]
        self.validated, self.best, self.best_step = (
            state[name] for name in ("validated", "best", "best_step")
        )
        if state["run"]["best"] != self.config.best:  # the number is of another measure
            self.best = None
        self.guard.in_a_row, self.guard.returns = state["guard"]
        self.updater.distribute(self.step)

    def _resume(self) -> None:
        found = checkpoint.latest_checkpoint(self.experiment)
        self.accelerator.wait_for_everyone()  # all have looked before one writes
        if found is None:
            self.updater.distribute(self.step)
            self._save()  # what there is to go back to, and a disk that can be written to
            return
        changes = refuse_changes(found.state["run"], self.description, self.allow_changes)
        if changes:
            log.warning("going on with OTHER OPTIONS OR DATA than before: %s", changes)
        self._load(found)
        log.info("going on from %s", found.folder)

    def _report(self, progress: "tqdm[Any]") -> None:
        values, seconds = self.window.means(), self.window.seconds
        rows = self.window.steps * self.config.batch_size * self.processes
        values["audio_seconds_per_second"] = rows * self.config.crops.seconds / seconds
        values["learning_rate"] = self.networks.optimizers["codec"].param_groups[0]["lr"]
        values["skipped"] = self.window.skipped
        usage = self.window.usage(lambda counts: self.accelerator.reduce(counts, "sum"))
        if usage is not None:
            values |= {f"codebook/{k}": v for k, v in usage.summary_scalars().items()}
            alarms = self.guard.collapse(usage.per_codebook(), int(usage.counts[0].sum()))
            for alarm in alarms if self.is_main else []:
                log.warning("step %d: %s", self.step, alarm)
        if self.is_main:
            self.run_log.write(self.step, values)
            left = (self.config.steps - self.step) * seconds / self.window.steps
            self._show(progress, values, timedelta(seconds=round(left)))
        self.window.clear()

    def _show(self, progress: "tqdm[Any]", values: dict[str, float], left: timedelta) -> None:
        mel, speed = values.get("mel", math.nan), values["audio_seconds_per_second"]
        if progress.disable:  # no terminal
            log.info(
                "step %d of %d: mel %.3f, %.1f s of audio a second, %s left",
                self.step,
                self.config.steps,
                mel,
                speed,
                left,
            )
        else:
            progress.set_postfix_str(f"mel {mel:.3f}, {speed:.1f} s audio/s, {left} left")

    def _report_validation(self, scores: list[Score], means: dict[str, float]) -> None:
        self.run_log.write(self.step, {f"valid/{name}": value for name, value in means.items()})
        text = "  ".join(f"{name} {value:.4g}" for name, value in means.items())
        best = "; best so far, saved as model" if self.best_step == self.step else ""
        log.info("step %d: %s%s", self.step, text, best)
        if not self.run_log.board:
            return
        for score in sorted(scores, key=lambda score: score.index):
            for name, sound in score.sounds.items():
                if name == "decoded" or not self.validated:  # the reference once
                    title = f"valid_{score.index + 1}/{name}"
                    self.run_log.write_sound(self.step, title, sound, self.validator.sample_rate)
        by_stage = zip(*(score.counts for score in scores), strict=True)
        totals = [torch.stack(stage).sum(0) for stage in by_stage]
        self.run_log.write_usage(self.step, totals)

    def _progress(self) -> "tqdm[Any]":
        return tqdm(
            total=self.config.steps,
            initial=self.step,
            unit="step",
            bar_format="{desc}{percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {postfix}",
            disable=None if self.is_main else True,
        )
