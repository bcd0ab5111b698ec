"""How fast is the search for the nearest code, and how much memory does it take? Prints JSON.

60 seconds of latents (4500 frames of 512 numbers) in codebooks of 1024 to 262144 codes. Every row
is a process of its own, in which runs alternate with matrix products of 2048 x 2048, so that a
fraction of the machine's rate compares like with like. `encode` is ours; `naive` projects the
codebook and forms all distances (as the published code does; at 262144 codes for a third of the
frames, times three); `vector_quantize_pytorch` is the forward pass of that package's SimVQ without
gradients, null if the package is not installed. Seconds are the best of some runs, of `encode` for
every 1024 frames: other work on the machine only ever adds. One thread is timed by the processor's
clock. `memory_mb` is the peak beyond what was there before, codebook and latents included in that.
"""

import argparse
import ctypes
import json
import math
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from audiocodec.environment import environment
from audiocodec.quantization.simvq import SimVQ, SimVQConfig

FRAMES, DIM, SIZES, THREADS = 4500, 512, (1024, 8192, 65_536, 262_144), (1, 2)
PART = 1024  # frames timed at once
RATE_SIZE = 2048  # of the matrices that measure the machine
EFFECTIVE_RANK = 20  # of the latents: trained ones have 4 to 20 (arXiv:2605.06870)
MOST_SCORES = 2**29  # that a naive search can hold several times in memory


class Clock:
    """Times calls that alternate with matrix products."""

    def __init__(self, threads: int, repeats: int) -> None:
        torch.set_num_threads(threads)
        self.now = time.process_time if threads == 1 else time.perf_counter
        self.repeats = repeats
        self.matrices = torch.randn(2, RATE_SIZE, RATE_SIZE)

    def once(self, call: Callable[[], object]) -> float:
        start = self.now()
        call()
        return self.now() - start

    def measure(self, *calls: Callable[[], object]) -> tuple[float, float]:
        """Seconds of all calls, the best of each, and the rate of matrix products (flop/s)."""
        seconds, products = [math.inf] * len(calls), math.inf
        for _ in range(self.repeats):
            for index, call in enumerate(calls):
                multiply = partial(torch.mm, *self.matrices)
                products = min(products, *(self.once(multiply) for _ in range(2)))
                seconds[index] = min(seconds[index], self.once(call))
        return sum(seconds), 2 * RATE_SIZE**3 / products


def peak_memory_mb(call: Callable[[], object]) -> float:
    """Peak resident memory of a call beyond what was there before."""
    ctypes.CDLL(None).malloc_trim(0)  # free memory that is kept would hide what a call takes
    Path("/proc/self/clear_refs").write_text("5")  # forget the former peak
    before = _status("VmRSS")
    call()
    return round((_status("VmHWM") - before) / 1024, 1)


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{name}:")))


def problem(codebook_size: int) -> tuple[SimVQ, Tensor]:
    """A quantizer started from latents of the rank of trained ones, and such latents."""
    generator = torch.Generator().manual_seed(0)
    scales = torch.exp(-torch.arange(DIM) / EFFECTIVE_RANK)
    mixing = torch.linalg.qr(torch.randn(DIM, DIM, generator=generator)).Q
    white = torch.randn(1, FRAMES, DIM, generator=generator)
    latents = ((white * scales) @ mixing.T + 0.1).transpose(1, 2).contiguous()
    quantizer = SimVQ(SimVQConfig(codebook_size=codebook_size), DIM)
    quantizer.initialize(latents)
    return quantizer.eval().requires_grad_(False), latents


@torch.no_grad()
def naive(quantizer: SimVQ, latents: Tensor) -> Tensor:
    """All distances to the projected codebook, as in the published quantizer."""
    frames = latents.transpose(1, 2).reshape(-1, DIM)
    book = quantizer.projection(quantizer.basis)
    distances = (
        frames.square().sum(1, keepdim=True)
        + book.square().sum(1)
        - 2 * torch.einsum("bd,dn->bn", frames, book.T)
    )
    return distances.argmin(1)


def packaged(quantizer: SimVQ) -> Any:
    """vector-quantize-pytorch's SimVQ with our codes; None if it is not installed."""
    try:
        from vector_quantize_pytorch import SimVQ as Packaged  # type: ignore[import-untyped]
    except ImportError:
        print("vector-quantize-pytorch is not installed: left out", file=sys.stderr)
        return None

    other = Packaged(DIM, 2, channel_first=True, codebook_transform=quantizer.projection)
    other.frozen_codebook = quantizer.basis
    return torch.no_grad()(other.eval())


def worker(codebook_size: int, threads: int, repeats: int) -> dict[str, Any]:
    clock = Clock(threads, repeats)
    quantizer, latents = problem(codebook_size)
    times: list[float] = []
    first_memory = peak_memory_mb(
        lambda: times.append(clock.once(lambda: quantizer.encode(latents)))
    )
    parts = latents.split(PART, dim=-1)
    seconds, rate = clock.measure(*(partial(quantizer.encode, part) for part in parts))
    share = FRAMES
    while share * codebook_size > MOST_SCORES:
        share //= 3
    part, scale = latents[..., :share].contiguous(), FRAMES / share
    naive_seconds, _ = clock.measure(lambda: naive(quantizer, part))
    other, other_seconds = packaged(quantizer), None
    if other is not None:
        other_seconds, _ = clock.measure(lambda: other(part))
    found, rounded = quantizer.encode(part)[0, 0], naive(quantizer, part)
    flops = 2 * FRAMES * codebook_size * DIM
    return {
        "codes": codebook_size,
        "threads": threads,
        "encode_seconds": round(seconds, 4),
        "first_encode_seconds": round(times[0], 4),  # with the norms of the codes
        "gflop_per_second": round(flops / seconds / 1e9, 1),
        "matrix_gflop_per_second": round(rate / 1e9, 1),
        "fraction_of_matrix_rate": round(flops / seconds / rate, 3),
        "memory_mb": {
            "encode": peak_memory_mb(lambda: quantizer.encode(latents)),
            "first_encode": first_memory,
            "naive": peak_memory_mb(lambda: naive(quantizer, part)),
            "vector_quantize_pytorch": other and peak_memory_mb(lambda: other(part)),
            "of_frames_in_naive": share,
        },
        "times_faster_than": {
            "naive": round(scale * naive_seconds / seconds, 2),
            "vector_quantize_pytorch": other_seconds and round(scale * other_seconds / seconds, 2),
        },
        "codes_that_naive_rounds_to_others": int((found != rounded).sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--threads", type=int, nargs="+", default=list(THREADS))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(worker(args.sizes[0], args.threads[0], args.repeats)))
        return
    rows = []
    for size in args.sizes:
        for threads in args.threads:
            command = [sys.executable, __file__, "--worker", "--sizes", str(size)]
            command += ["--threads", str(threads), "--repeats", str(args.repeats)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append(json.loads(done.stdout))
            print(rows[-1], file=sys.stderr)
    report = {"frames": FRAMES, "dim": DIM, "rows": rows, "environment": environment()}
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
