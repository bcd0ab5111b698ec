"""What a GPU says of estimates made on a CPU: JSON.

    python local/measure_gpu.py --device cuda --output measured.json

- `training`: of each configuration audio trained on a second and peak memory, beside what
  `benchmarks/training_cost.py` estimates for one such GPU from its data sheet (an H100's).
- `codes`: how many of the shipped clips' codes on the device are those of the CPU.
- `half_precision`: the decoded speech under bfloat16 autocast against single precision, in dB.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from audiocodec.audio import read_waveform
from audiocodec.config import load_config
from audiocodec.data.samples import demo_speech
from audiocodec.environment import environment
from audiocodec.evaluation.metrics.distortion import snr
from audiocodec.files import atomic_path
from audiocodec.models.bundle import load_codec
from audiocodec.training.backward import Phase, TrainingBatch
from audiocodec.training.config import TrainConfig
from audiocodec.training.networks import Networks
from audiocodec.training.update import Updater

ROOT = Path(__file__).parents[3]
WARM, SECONDS = 3, 10.0  # updates before the clock starts; of measurement


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--model", default="speech_24k")
    parser.add_argument(
        "--configs", type=Path, nargs="+", default=sorted(ROOT.glob("egs/libritts/conf/*.yaml"))
    )
    parser.add_argument("--set", dest="assignments", action="append", default=[], metavar="A.B=C")
    parser.add_argument("--peak", default="989e12", help="operations/s in bfloat16")
    parser.add_argument("--memory-bandwidth", default="3.35e12", help="bytes/s")
    args = parser.parse_args()
    report: dict[str, Any] = {"environment": environment(), "device": name_of(args.device)}
    report |= codes_and_precision(args.model, args.device)
    report["training"] = {}
    for path in args.configs:
        report["training"][path.stem] = training(path, args)
        with atomic_path(args.output) as temporary:  # whole after each, should time run out
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))


def name_of(device: str) -> str:
    return torch.cuda.get_device_name() if device.startswith("cuda") else device


def training(path: Path, args: argparse.Namespace) -> dict[str, Any]:
    """Measured and estimated, or the reason why not."""
    config = load_config(TrainConfig, path, args.assignments)
    try:
        measured = throughput(config, torch.device(args.device))
    except torch.OutOfMemoryError as error:
        measured = {"failed": str(error).partition("\n")[0]}
    settings = [word for assignment in args.assignments for word in ("--set", assignment)]
    cost = [
        sys.executable, str(ROOT / "benchmarks" / "training_cost.py"), "--config", str(path),
        "--peak", args.peak, "--memory-bandwidth", args.memory_bandwidth, *settings,
    ]  # fmt: skip
    done = subprocess.run(cost, capture_output=True, text=True)
    estimated = json.loads(done.stdout)["estimated"][0] if done.returncode == 0 else done.stderr
    return {"measured": measured, "estimated": estimated}


def throughput(config: TrainConfig, device: torch.device) -> dict[str, Any]:
    """Of updates on noise in the adversarial phase, which is most of a training."""
    updater = Updater(config, Networks(config, "measured", device), device)
    samples = round(config.crops.seconds * config.codec.sample_rate)
    rows = config.batch_size
    waveform = 0.1 * torch.randn(rows, 1, samples, device=device)
    stages = torch.full((rows,), updater.networks.codec.num_quantizers, device=device)
    batch, phase = TrainingBatch(waveform, stages), Phase(quantize=True, adversarial=True)
    for _ in range(WARM):
        updater.update(batch, phase)
    count, start = 0, time.perf_counter()
    while count == 0 or time.perf_counter() - start < SECONDS:
        updater.update(batch, phase)  # waits for the device
        count += 1
    seconds = (time.perf_counter() - start) / count
    report = {
        "precision": updater.precision,
        "crops_per_step": rows,
        "seconds_per_step": seconds,
        "audio_seconds_per_second": rows * config.crops.seconds / seconds,
    }
    if device.type == "cuda":
        report["memory_gb_per_gpu"] = torch.cuda.max_memory_allocated() / 1e9
        del updater, batch
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    return report


def codes_and_precision(model: str, device: str) -> dict[str, Any]:
    cpu, other = load_codec(model), load_codec(model, device)
    same, count, ratios = 0, 0, {}
    for path in demo_speech():
        waveform = read_waveform(path, cpu.sample_rate)[0]
        codes, found = cpu.encode(waveform), other.encode(waveform)
        same += int((codes == found.cpu()).sum())
        count += codes.numel()
        exact = cpu.decode(codes, num_samples=len(waveform)).numpy()
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            half = other.decode(found, num_samples=len(waveform)).float().cpu().numpy()
        ratios[path.stem] = snr(exact, half, cpu.sample_rate)
    return {"codes": {"same": same, "of": count}, "half_precision": {"snr_db": ratios}}


if __name__ == "__main__":
    main()
