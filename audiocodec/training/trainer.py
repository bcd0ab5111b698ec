"""The training loop: data, checkpoints, validation, logs. Only this file knows accelerate.

A run is a function of its configuration and data: crops, dropout and whatever else is random are
drawn from (seed, step, row), so an interrupted run resumes from its newest checkpoint and ends as
it would have without the interruption.
"""

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

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
from audiocodec.training.reporting import Reporter
from audiocodec.training.schedule import draw_num_quantizers, learning_rate_factor, seed_step
from audiocodec.training.state import RunState
from audiocodec.training.update import Updater, UpdateResult
from audiocodec.training.validation import Validator, quality, summarise

with extra("train"):
    from accelerate import Accelerator
    from accelerate.utils import gather_object

log = logging.getLogger(__name__)

# Of the latents that the quantizer starts from. A large codebook needs more: a frame for each code,
# and four, from which clusters can be made, where that is affordable.
START_BATCHES = 16
START_FRAMES_A_CODE = 4
AFFORDABLE_FRAMES = 65_536


class Trainer:
    """One training run in `experiment`; `run` starts or resumes it."""

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
        sizes = self.networks.codec.codebook_sizes
        self.reporter = Reporter(
            config, experiment, sizes, self.device, self.processes, self.is_main
        )
        self.reported: Reported = set()
        started = start is not None and start.has_quantizer(config.codec)
        self.state = RunState(quantizer_started=started)

    def run(self) -> None:
        """Train to the last step.

        Raises:
            Interrupted: SIGTERM, SIGINT or SIGUSR1 arrived; a checkpoint has been written.
            ConfigError: a checkpoint is there, of other options or data.
            Diverged: losses or gradients stay not finite.
        """
        with self.stop.listening():
            self._resume()
            try:
                with self.reporter.open(self.state.step, self._board()):
                    self._loop()
            finally:
                for tracker in self.accelerator.trackers:
                    tracker.finish()
                self.accelerator.trackers = []
        self.accelerator.end_training()
        if self.is_main:
            log.info("step %d: done; the model is %s", self.state.step, self.experiment / "model")

    def _board(self) -> Any:
        """TensorBoard's writer, None without it; the configuration is written beside its folder."""
        if self.is_main:
            with atomic_path(self.experiment / "config.yaml") as temporary:
                temporary.write_text(configuration.dump_yaml(self.config), encoding="utf-8")
        # A run that was killed may have reported steps that will come again.
        options = {"tensorboard": {"purge_step": self.state.step + 1}}
        self.accelerator.init_trackers("tensorboard", init_kwargs=options)
        if not (self.is_main and self.accelerator.trackers):
            return None
        return self.accelerator.get_tracker("tensorboard", unwrap=True)

    def _loop(self) -> None:
        self._validate_if_due()
        self.reporter.restart_clock()
        while self.state.step < self.config.steps:
            try:
                self._train_on_batches()
            except StoppedWaiting:
                self._leave()

    def _leave(self) -> None:
        """Stop while no data come: alone with a checkpoint; other processes would have to agree."""
        if self.processes == 1 and self.guard.in_a_row == 0:
            self._save()
        reason = f"stopped by {self.stop.name} at step {self.state.step} while no audio came"
        raise Interrupted(f"{reason}; run again to resume") from None

    def _train_on_batches(self) -> None:
        """Until the last step, or until the run has gone back to a checkpoint."""
        for batch in self.batches():
            if not self.train_step(batch):
                break  # to the data of the checkpoint
            if self.state.step % self.config.log_every == 0:
                self._report()
            self._validate_if_due()
            self._save_if_due()

    def train_step(self, batch: Batch) -> bool:
        """Train on one batch; False if the run is back at a checkpoint."""
        config, step = self.config, self.state.step
        if step == config.autoencoder_steps and not self.state.quantizer_started:
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
        self.state.step += 1
        self.reporter.add(self.state.step, done)
        if done.bad is not None:
            return self._skip(done, batch.utterance_ids)
        self.guard.passed()
        return True

    def _skip(self, done: UpdateResult, names: Sequence[str]) -> bool:
        """Report a step that was not taken; False after a return to a checkpoint."""
        if done.overflow:
            scale = self.updater.loss_scale.value
            log.info("step %d: float16 overflow; loss scale now %g", self.state.step, scale)
            return True
        found = gather_object([names[row] for row in done.rows])
        blamed = found or gather_object(list(names))
        if self.is_main:
            log.warning(
                "step %d skipped: %s is not finite; %s %s",
                self.state.step,
                done.bad,
                "utterances" if found else "no utterance alone, all of",
                ", ".join(blamed),
            )
        if not self.guard.skipped():
            return True
        self._go_back()
        return False

    def _go_back(self) -> None:
        step = self.state.step
        self.guard.go_back(step)
        found = checkpoint.latest_checkpoint(self.experiment)
        assert found is not None  # there is one from the start
        self._load(found)
        self.reporter.rewind(self.state.step)
        if self.is_main:
            log.warning(
                "step %d: %d steps in a row were not finite; back to step %d, learning rates x %g",
                step,
                self.config.guard.patience,
                self.state.step,
                self.guard.rate_factor,
            )

    @torch.no_grad()
    def _start_quantizer(self) -> None:
        """Set the quantizer to the distribution of the latents it will see."""
        codec = self.networks.codec
        loader = self._loader(self.state.step, self.state.step + self._start_batches())
        parts = [codec.encoder(batch.waveform.to(self.device)) for batch in loader]
        latents = torch.stack(parts)  # (batches, rows, ...)
        by_process = self.accelerator.gather(latents).view(self.processes, *latents.shape)
        gathered = by_process.transpose(0, 1).flatten(0, 2)  # in the order of one process
        codec.quantizer.initialize(gathered)
        self.networks.ema.average.quantizer.load_state_dict(codec.quantizer.state_dict())
        self.state.quantizer_started = True
        self.updater.distribute(self.state.step)
        log.info(
            "step %d: quantizer started from %d frames", self.state.step, gathered[:, 0].numel()
        )

    def _start_batches(self) -> int:
        codec, config = self.networks.codec, self.config
        codes = max(codec.codebook_sizes)
        wanted = max(codes, min(START_FRAMES_A_CODE * codes, AFFORDABLE_FRAMES))
        crop = round(config.crops.seconds * codec.sample_rate) // codec.hop_length
        return max(START_BATCHES, -(-wanted // (crop * config.batch_size * self.processes)))

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

    def batches(self) -> Iterator[Batch]:
        """The batches from the next step to the last, on the device."""
        for waveform, names, bandwidth in self._loader(self.state.step, self.config.steps):
            if bandwidth is not None:
                bandwidth = bandwidth.to(self.device, non_blocking=True)
            yield Batch(waveform.to(self.device, non_blocking=True), names, bandwidth)

    @property
    def _stopping(self) -> bool:
        alone = self.processes == 1 and self.stop.number is not None
        return alone or self.stop.everywhere

    @property
    def _last(self) -> bool:
        return self.state.step == self.config.steps

    def _validate_if_due(self) -> None:
        step = self.state.step
        due = step > 0 and (self._last or step % self.config.validate_every == 0)
        if not due or self.state.validated == step:
            return
        average = self.networks.ema.average
        scores = gather_object(self.validator.score(average, self.rank, self.processes))
        if not scores:
            raise DataError(
                "no utterance of the validation set can be read; see the warnings above"
            )
        means = summarise(scores, average.codebook_sizes)
        first = self.state.validated == 0
        best = self.state.note(quality(means, self.config.best))
        if best and self.is_main:
            save_codec(average, self.experiment / "model")
        self.reporter.validation(step, scores, means, best, first)

    def _save_if_due(self) -> None:
        step = self.state.step
        due = step % self.config.save_every == 0 or self.state.best_step == step
        # What steps are skipped upon is not saved: there would be no good state to go back to.
        healthy = self.guard.in_a_row == 0
        if self._last or (healthy and (due or self._stopping)):
            self._save()
        if self._stopping and not self._last:
            self.accelerator.end_training()
            raise Interrupted(f"stopped by {self.stop.name} at step {step}; run again to resume")

    def _save(self) -> None:
        if self.is_main:
            checkpoint.save_checkpoint(
                checkpoint.checkpoint_folder(self.experiment, self.state.step),
                self.config,
                self.networks.ema.average,
                self.networks.discriminators,
                self._state_dict(),
            )
            keep = self.config.keep_checkpoints
            checkpoint.prune_checkpoints(self.experiment, keep, self.state.best_step)
        self.accelerator.wait_for_everyone()

    def _state_dict(self) -> checkpoint.State:
        return {
            "run": self.description,
            "engine": self.updater.state_dict(),
            "guard": self.guard.state_dict(),
            **self.state.state_dict(),
        }

    def _load(self, found: Checkpoint) -> None:
        """Networks and numbers of a checkpoint; what the guard has counted stays."""
        state = found.state
        self.updater.load_state_dict(state["engine"], found.average, found.discriminators)
        self.state.load_state_dict(state)
        if state["run"]["best"] != self.config.best:  # the number is of another measure
            self.state.best = None
        self.updater.distribute(self.state.step)

    def _resume(self) -> None:
        found = checkpoint.latest_checkpoint(self.experiment)
        self.accelerator.wait_for_everyone()  # all have looked before one writes
        if found is None:
            self.updater.distribute(self.state.step)
            self._save()  # what there is to go back to, and a disk that can be written to
            return
        changes = refuse_changes(found.state["run"], self.description, self.allow_changes)
        if changes:
            log.warning("resuming with OTHER OPTIONS OR DATA than before: %s", changes)
        self._load(found)
        self.guard.load_state_dict(found.state["guard"])
        log.info("resuming from %s", found.folder)

    def _report(self) -> None:
        rate = self.networks.optimizers["codec"].param_groups[0]["lr"]
        usage = self.reporter.report(
            self.state.step, rate, lambda counts: self.accelerator.reduce(counts, "sum")
        )
        if usage is not None:
            alarms = self.guard.collapse(usage.per_codebook(), int(usage.counts[0].sum()))
            for alarm in alarms if self.is_main else []:
                log.warning("step %d: %s", self.state.step, alarm)
