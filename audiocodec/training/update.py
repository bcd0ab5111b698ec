"""One step of both networks with what surrounds its mathematics: precision, parts, clipping.

A step is taken by both networks or by none: if a term or a gradient is not finite, neither moves.
"""

from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from audiocodec.processes import mean_over_processes
from audiocodec.training.backward import (
    BackwardPass,
    BackwardResult,
    Phase,
    TrainingBatch,
    build_balancer,
    reconstruction_losses,
)
from audiocodec.training.config import Precision, TrainConfig
from audiocodec.training.diagnosis import bad_rows, first_bad_gradient
from audiocodec.training.guard import first_bad
from audiocodec.training.networks import Networks
from audiocodec.training.optimization import (
    LossScale,
    gradient_norm,
    gradients,
    scale_and_clip,
)

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class UpdateResult:
    """What came of a step.

    values: terms and gradient norms by name, means over processes.
    codes: (batch, stages, frames) of each part, of this process.
    stop: whether a process was asked to stop.
    bad: what is not finite; None if the step was taken.
    overflow: of float16 only; the scale is halved, nothing else is wrong.
    rows: of this process's batch, those to blame.
    """

    values: dict[str, float]
    codes: list[Tensor]
    stop: bool = False
    bad: str | None = None
    overflow: bool = False
    rows: tuple[int, ...] = ()


class Updater:
    """Both networks and their update on one device."""

    def __init__(self, config: TrainConfig, networks: Networks, device: torch.device) -> None:
        self.config, self.networks, self.device = config, networks, device
        self.precision = resolve_precision(config.precision, device)
        self.loss_scale = LossScale.for_precision(self.precision)
        if config.compile:
            networks.compile()
        balancer = build_balancer(config.losses)
        self.backward_pass = BackwardPass(
            networks.codec,
            networks.discriminators,
            reconstruction_losses(config.losses, config.codec.sample_rate).to(device),
            config.losses,
            None if balancer is None else balancer.to(device),
            self.autocast,
            config.codec.sample_rate,
        )

    def distribute(self, step: int) -> None:
        """Average gradients over processes from `step` on, if there are several."""
        if not (distributed.is_available() and distributed.is_initialized()):
            return
        # Some weights of the codec are unused while it is an autoencoder.
        unused = step < self.config.autoencoder_steps
        index = [self.device.index] if self.device.type == "cuda" else None
        for name, module in (
            ("codec", self.networks.codec),
            ("discriminators", self.networks.discriminators),
        ):
            wrapped = DistributedDataParallel(
                module,
                device_ids=index,
                broadcast_buffers=False,
                find_unused_parameters=unused and name == "codec",
            )
            setattr(self.backward_pass, name, wrapped)

    def autocast(self) -> AbstractContextManager[Any]:
        dtype = _DTYPES.get(self.precision)
        return torch.autocast(self.device.type, dtype, enabled=dtype is not None)

    def update(self, batch: TrainingBatch, phase: Phase, stop: bool = False) -> UpdateResult:
        """Train on one batch; all processes get here and agree on the result."""
        self.networks.codec.quantizer.before_step()
        outcomes = self.backward(batch, phase)
        grads = {name: gradients(module) for name, module in self._modules(phase).items()}
        values, stop = self._values(outcomes, grads, stop)
        codes = [outcome.codes for outcome in outcomes if outcome.codes is not None]
        bad = first_bad(values)
        if bad is not None:
            result = self._diagnose(values, bad, batch, phase, stop)
            self._clear(phase)
            return result
        for name, own in grads.items():
            norm, clip_norm = values[f"gradient/{name}"], self._clip_norm(name)
            scale_and_clip(own, norm, self.loss_scale.value, clip_norm)
            self.networks.optimizers[name].step()
        self._clear(phase)
        self.networks.codec.quantizer.after_step(phase.step)
        self.networks.ema.update(self.networks.codec)
        self.loss_scale.grew()
        return UpdateResult(values, codes, stop)

    def backward(self, batch: TrainingBatch, phase: Phase) -> list[BackwardResult]:
        parts = self.config.accumulation
        scale = self.loss_scale.value / parts
        outcomes = []
        for index, part in enumerate(batch.parts(parts)):
            with ExitStack() as stack:
                if index < parts - 1:  # processes exchange gradients with the last part
                    for module in (self.backward_pass.codec, self.backward_pass.discriminators):
                        if isinstance(module, DistributedDataParallel):
                            stack.enter_context(module.no_sync())
                outcomes.append(self.backward_pass(part, phase, scale))
        return outcomes

    def _values(
        self, outcomes: list[BackwardResult], grads: dict[str, list[Tensor]], stop: bool
    ) -> tuple[dict[str, float], bool]:
        """Means of the terms and norms by name; the one moment that waits for the device."""
        names = [*outcomes[0].terms, *(f"gradient/{name}" for name in grads)]
        parts = torch.stack([torch.stack([*o.terms.values()]) for o in outcomes]).mean(0)
        norms = torch.stack([gradient_norm(own) for own in grads.values()]) / self.loss_scale.value
        flag = torch.tensor([float(stop)], device=self.device)
        *values, stopped = mean_over_processes(torch.cat([parts, norms, flag])).tolist()
        return dict(zip(names, values, strict=True)), stopped > 0

    def _diagnose(
        self,
        values: dict[str, float],
        bad: str,
        batch: TrainingBatch,
        phase: Phase,
        stop: bool,
    ) -> UpdateResult:
        only_gradients = bad.startswith("gradient/")
        if only_gradients and self.loss_scale.shrank():
            return UpdateResult(values, [], stop, bad, overflow=True)
        modules = self._modules(phase)
        if only_gradients:
            bad = f"gradient of {first_bad_gradient(modules) or bad.removeprefix('gradient/')}"
        self._clear(phase)
        networks = (self.networks.codec, self.networks.discriminators)
        rows = bad_rows(self.backward_pass, networks, batch, phase)
        return UpdateResult(values, [], stop, bad, rows=tuple(rows))

    def _modules(self, phase: Phase) -> dict[str, nn.Module]:
        modules: dict[str, nn.Module] = {"codec": self.networks.codec}
        if phase.adversarial:
            modules["discriminators"] = self.networks.discriminators
        return modules

    def _clear(self, phase: Phase) -> None:
        for name in self._modules(phase):
            self.networks.optimizers[name].zero_grad()

    def _clip_norm(self, name: str) -> float | None:
        options = {
            "codec": self.config.optimizer,
            "discriminators": self.config.discriminator_optimizer,
        }
        return options[name].clip_norm

    def state_dict(self) -> dict[str, Any]:
        """All of it but what `Networks` leaves to the weight files."""
        balancer = self.backward_pass.balancer
        return {
            "networks": self.networks.state_dict(),
            "loss_scale": [self.loss_scale.value, self.loss_scale.good_steps],
            "balancer": None if balancer is None else balancer.state_dict(),
        }

    def load_state_dict(
        self, state: dict[str, Any], average: dict[str, Tensor], discriminators: dict[str, Tensor]
    ) -> None:
        """Restore; the two weight files are given apart."""
        self.networks.load_state_dict(state["networks"], average, discriminators)
        value, self.loss_scale.good_steps = state["loss_scale"]
        if (self.precision == "fp16") == (value > 1):  # else the precision was changed
            self.loss_scale.value = value
        if self.backward_pass.balancer is not None and state["balancer"] is not None:
            self.backward_pass.balancer.load_state_dict(state["balancer"])


def resolve_precision(precision: Precision, device: torch.device) -> str:
    """`auto` is bfloat16 where the hardware multiplies it natively."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    native = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return "bf16" if device.type == "cpu" and native else "fp32"
