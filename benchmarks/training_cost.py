"""What will a training cost on GPUs? Measures work and memory of a step, then estimates; JSON.

Measured on this machine, a crop at a time: floating point operations of an update (convolutions and
matrix products, forward and backward; transforms and elementwise work are not counted) and bytes
that the forward keeps for the backward, under bfloat16 autocast. Estimated, for N GPUs that take
`batch_size` crops each:

    seconds a step = operations / (peak * utilisation) + TRAFFIC * kept bytes / memory bandwidth,
                     or calls * overhead of a call if that is more,
                     + 2 (N - 1) / N * gradient bytes / link bandwidth
    memory         = kept bytes + weights * (weight, gradient, two moments, average) + RESERVE

Peak, bandwidths and utilisation are options; the defaults are an A100's (80 GB, SXM) by its data
sheet and a utilisation as convolutions of these sizes have it. No GPU was at hand to check.
"""

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from audiocodec.config import load_config
from audiocodec.environment import environment
from audiocodec.models.cost import num_parameters
from audiocodec.training.backward import Phase, TrainingBatch
from audiocodec.training.config import TrainConfig
from audiocodec.training.networks import Networks
from audiocodec.training.update import Updater

CONFIG = Path(__file__).parent.parent / "egs" / "libritts" / "conf" / "train.yaml"
PHASE = Phase(quantize=True, adversarial=True)
TRAFFIC = 6  # what is kept is written and read some times in forward, both backwards and losses
RESERVE = 2e9  # bytes of the driver, of the allocator's gaps, of the gradients in flight
GPUS = (1, 4, 8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--peak", type=float, default=312e12, help="operations/s in bfloat16")
    parser.add_argument("--utilisation", type=float, default=0.2)
    parser.add_argument("--memory-bandwidth", type=float, default=2.0e12, help="bytes/s")
    parser.add_argument("--call-overhead", type=float, default=1e-5, help="s of Python a kernel")
    parser.add_argument("--link-bandwidth", type=float, default=100e9, help="bytes/s between GPUs")
    args = parser.parse_args()
    config = load_config(TrainConfig, args.config, args.assignments)
    networks = Networks(config, "cost", torch.device("cpu"))
    updater = Updater(config, networks, torch.device("cpu"))
    operations, calls = operations_per_crop(updater)
    kept = [kept_bytes(updater, rows) for rows in (1, 2)]
    per_crop, constant = kept[1] - kept[0], 2 * kept[0] - kept[1]
    weights = [num_parameters(module) for module in (networks.codec, networks.discriminators)]
    rows = config.batch_size
    resident = 20 * weights[0] + 16 * weights[1]  # bytes; only the codec is averaged
    memory = rows / config.accumulation * per_crop + max(constant, 0) + resident + RESERVE
    compute = rows * operations / (args.peak * args.utilisation)
    compute += TRAFFIC * rows * per_crop / args.memory_bandwidth
    compute = max(compute, args.call_overhead * calls * config.accumulation)
    report = {
        "config": args.config.name,
        "measured": {
            "operations_per_crop": operations,
            "operations_per_second_of_audio": operations / config.crops.seconds,
            "kept_bytes_per_crop": per_crop,
            "calls_per_update": calls,
            "weights": {"codec": weights[0], "discriminators": weights[1]},
        },
        "estimated": [
            estimate(config, count, compute, memory, 4 * sum(weights), args.link_bandwidth)
            for count in GPUS
        ],
        "assumed": {k: v for k, v in vars(args).items() if isinstance(v, float)},
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


def operations_per_crop(updater: Updater) -> tuple[float, int]:
    """Of one update in float32, two for each multiply-accumulate; and calls of torch's kernels."""
    real, stages = batch(updater, 1)
    updater.precision = "fp32"
    # mkldnn's fused LSTM would not be counted; its switch warns about an absent Intel GPU.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.backends.mkldnn.flags(enabled=False), Operations() as counter:
            updater.backward_pass(TrainingBatch(real, stages), PHASE)
    return counter.total, counter.calls


class Operations(TorchDispatchMode):
    """Counts like torch's FlopCounterMode, which cannot see through `torch.autograd.grad`."""

    total, calls = 0.0, 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.calls += not func.is_view
        formula = flop_registry.get(func._overloadpacket)
        if formula is not None:
            self.total += formula(*args, **(kwargs or {}), out_val=result)
        return result


def kept_bytes(updater: Updater, rows: int) -> int:
    """What the forward of an update keeps for its backward, each storage once, without weights."""
    real, stages = batch(updater, rows)
    updater.precision = "bf16"
    modules: tuple[nn.Module, ...] = (updater.networks.codec, updater.networks.discriminators)
    known = {
        tensor.untyped_storage().data_ptr()
        for module in (*modules, updater.backward_pass.reconstruction)
        for tensor in (*module.parameters(), *module.buffers())
    }
    held: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in known and address not in held:
            held[address] = tensor.detach()  # alive, so that no other storage gets its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        updater.backward_pass(TrainingBatch(real, stages), PHASE)
    return sum(tensor.untyped_storage().nbytes() for tensor in held.values())


def batch(updater: Updater, rows: int) -> tuple[Tensor, Tensor]:
    codec, seconds = updater.networks.codec, updater.config.crops.seconds
    real = 0.1 * torch.randn(rows, 1, round(seconds * codec.sample_rate))
    return real, torch.full((rows,), codec.num_quantizers)


def estimate(
    config: TrainConfig, gpus: int, compute: float, memory: float, gradients: int, link: float
) -> dict[str, Any]:
    """Of a run of `config.steps` steps, and of one that hears as much audio as one GPU would."""
    step = compute + 2 * (gpus - 1) / gpus * gradients / link
    crops = gpus * config.batch_size
    return {
        "gpus": gpus,
        "crops_per_step": crops,
        "memory_gb_per_gpu": round(memory / 1e9, 1),
        "seconds_per_step": round(step, 3),
        "audio_seconds_per_second": round(crops * config.crops.seconds / step),
        "hours_for_all_steps": round(config.steps * step / 3600),
        "hours_for_the_audio_of_one_gpu": round(config.steps * step / 3600 / gpus),
    }


if __name__ == "__main__":
    main()
