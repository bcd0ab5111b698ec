"""Which crop and which weight it was, when a step is not finite."""

import dataclasses
from collections.abc import Mapping

import torch
from torch import nn

from audiocodec.processes import alone
from audiocodec.training.backward import BackwardPass, Phase, TrainingBatch
from audiocodec.training.optimization import gradient_norm, gradients


def bad_rows(
    backward_pass: BackwardPass,
    networks: tuple[nn.Module, nn.Module],
    batch: TrainingBatch,
    phase: Phase,
) -> list[int]:
    """The rows of `batch` that alone make a term or gradient not finite.

    Costs as much as the batch again, one row at a time; leaves no gradients in `networks`,
    the codec and the discriminators as they are without distribution.
    """
    single = dataclasses.replace(
        backward_pass, codec=networks[0], discriminators=networks[1], balancer=None
    )
    rows = []
    for row, single_row in enumerate(batch.parts(len(batch.num_quantizers))):
        with alone():
            outcome = single(single_row, phase)
        grads = [grad for module in networks for grad in gradients(module)]
        values = torch.stack([*outcome.terms.values(), gradient_norm(grads)])
        if not bool(values.isfinite().all()):
            rows.append(row)
        for module in networks:
            module.zero_grad()
    return rows


def first_bad_gradient(networks: Mapping[str, nn.Module]) -> str | None:
    """The name of the first weight whose gradient is not finite."""
    for part, module in networks.items():
        for name, parameter in module.named_parameters():
            if parameter.grad is not None and not bool(parameter.grad.isfinite().all()):
                return f"{part}.{name}"
    return None
