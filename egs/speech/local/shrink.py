"""A checkpoint in parts of at most 15 MB, and a checkpoint from them on another machine.

    python local/shrink.py split --experiment EXP --output DIR --megabytes 60
    python local/shrink.py join --parts DIR --experiment EXP

The newest checkpoint that can be read, as exact as the megabytes allow: whole; with the optimizers'
moments and the average in half precision; without moments, which a constant learning rate finds
again in some hundred steps; the averaged weights alone, in half precision.
"""

import argparse
import copy
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from audiocodec import config as configuration
from audiocodec.files import atomic_folder
from audiocodec.training.checkpoint import (
    Checkpoint,
    checkpoint_folder,
    latest_checkpoint,
    save_checkpoint,
)
from audiocodec.training.config import TrainConfig
from audiocodec.training.networks import Networks

PART = 15_000_000  # bytes
Payload = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    commands = parser.add_subparsers(required=True)
    splitting = commands.add_parser("split")
    splitting.add_argument("--experiment", type=Path, required=True)
    splitting.add_argument("--output", type=Path, required=True)
    splitting.add_argument("--megabytes", type=float, required=True)
    splitting.set_defaults(run=lambda args: split(args.experiment, args.output, args.megabytes))
    joining = commands.add_parser("join")
    joining.add_argument("--parts", type=Path, required=True)
    joining.add_argument("--experiment", type=Path, required=True)
    joining.set_defaults(run=lambda args: join(args.parts, args.experiment))
    args = parser.parse_args()
    print(args.run(args))


def split(experiment: Path, output: Path, megabytes: float) -> str:
    """Write the parts, all or none; what was kept."""
    found = latest_checkpoint(experiment)
    if found is None:
        raise SystemExit(f"shrink.py: error: {experiment} has no checkpoint")
    kept, content = _as_exact_as_fits(found, megabytes)
    with atomic_folder(output) as temporary:
        for number, start in enumerate(range(0, len(content), PART)):
            (temporary / f"part.{number:04d}").write_bytes(content[start : start + PART])
    return f"{output}: {found.folder.name}, {kept}, {len(content) / 1e6:.1f} MB"


def _as_exact_as_fits(found: Checkpoint, megabytes: float) -> tuple[str, bytes]:
    """What was kept, and the bytes of it."""
    for name, change in LEVELS.items():
        buffer = io.BytesIO()
        torch.save(change(_payload(found)), buffer)
        if buffer.tell() <= megabytes * 1e6:
            return name, buffer.getvalue()
    size = buffer.tell() / 1e6
    raise SystemExit(f"shrink.py: error: {name} are {size:.1f} MB, more than {megabytes:g}")


def join(parts: Path, experiment: Path) -> str:
    """Write a checkpoint into `experiment`; which one."""
    content = b"".join(path.read_bytes() for path in sorted(parts.glob("part.*")))
    payload = _floats(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True))
    config = configuration.from_dict(TrainConfig, payload["config"])
    networks = Networks(config, experiment.name, torch.device("cpu"))
    networks.ema.average.load_state_dict(payload["average"])
    networks.discriminators.load_state_dict(payload["discriminators"])
    state = payload["state"]
    folder = checkpoint_folder(experiment, state["step"])
    save_checkpoint(folder, config, networks.ema.average, networks.discriminators, state)
    return str(folder)


def _payload(found: Checkpoint) -> Payload:
    return {
        "config": configuration.to_dict(found.config),
        "average": dict(found.average),
        "discriminators": dict(found.discriminators),
        "state": copy.deepcopy(found.state),
    }


def _whole(payload: Payload) -> Payload:
    return payload


def _half_moments(payload: Payload) -> Payload:
    payload["average"] = _to(payload["average"], torch.float16)
    for optimizer in _networks(payload)["optimizers"].values():
        for moments in optimizer["state"].values():
            count = moments.pop("step")
            moments |= _to(moments, torch.bfloat16) | {"step": count}
    return payload


def _no_moments(payload: Payload) -> Payload:
    payload["average"] = _to(payload["average"], torch.float16)
    for optimizer in _networks(payload)["optimizers"].values():
        optimizer["state"] = {}
    return payload


def _average(payload: Payload) -> Payload:
    payload = _no_moments(payload)
    payload["discriminators"] = _to(payload["discriminators"], torch.float16)
    _networks(payload)["codec"] = payload["average"]  # one storage, so it is saved once
    return payload


LEVELS: dict[str, Callable[[Payload], Payload]] = {
    "whole": _whole,
    "moments and average in half precision": _half_moments,
    "without moments": _no_moments,
    "averaged weights alone": _average,
}


def _networks(payload: Payload) -> dict[str, Any]:
    networks: dict[str, Any] = payload["state"]["engine"]["networks"]
    return networks


def _to(tensors: dict[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    floating = {name for name, t in tensors.items() if t.is_floating_point()}
    return {name: t.to(dtype) if name in floating else t for name, t in tensors.items()}


def _floats(tree: Any) -> Any:
    """The tree with every half-precision tensor in single precision."""
    if isinstance(tree, dict):
        return {key: _floats(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_floats(value) for value in tree]
    if isinstance(tree, torch.Tensor) and tree.dtype in (torch.float16, torch.bfloat16):
        return tree.float()
    return tree


if __name__ == "__main__":
    main()
