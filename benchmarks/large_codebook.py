"""Does a codebook of 262144 codes train within 8 GB? Prints JSON.

50 updates of the published architecture's quantizer (512 dimensions) in a small codec on the
shipped speech: forward, losses, backward, Adam, with an average of the weights kept beside. The
peak is of the whole process.
"""

import argparse
import copy
import json
import time
from pathlib import Path

import torch

from audiocodec import config as configuration
from audiocodec.audio import read_waveform
from audiocodec.data.samples import shipped_speech
from audiocodec.environment import environment
from audiocodec.losses.spectral import MultiResolutionMel, MultiResolutionMelConfig
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig

RATE, CROP, BATCH = 24_000, 24_000, 8


def build(codebook_size: int) -> Codec:
    values = {
        "latent_dim": 512,
        "encoder": {"kind": "convnext", "strides": [320], "channels": [128], "blocks": [3]}
        | {"mdct_start": True},
        "quantizer": {"kind": "simvq", "codebook_size": codebook_size},
        "decoder": {"kind": "convnext", "channels": 192, "blocks": 3, "head": {"kind": "mdct"}},
    }
    torch.manual_seed(0)
    return Codec(configuration.from_dict(CodecConfig, values))


def peak_gb() -> float:
    """Of this process since it started."""
    lines = Path("/proc/self/status").read_text().splitlines()
    kilobytes = int(next(line.split()[1] for line in lines if line.startswith("VmHWM:")))
    return round(kilobytes / 2**20, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--codes", type=int, default=262_144)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    speech = torch.cat([torch.from_numpy(read_waveform(p, RATE)[0]) for p in shipped_speech()])
    generator = torch.Generator().manual_seed(0)

    def crops() -> torch.Tensor:
        starts = torch.randint(len(speech) - CROP, (BATCH,), generator=generator).tolist()
        return torch.stack([speech[start : start + CROP] for start in starts]).unsqueeze(1)

    codec = build(args.codes)
    average = copy.deepcopy(codec)
    with torch.no_grad():
        codec.quantizer.initialize(codec.encoder(crops()))
    mel = MultiResolutionMel(MultiResolutionMelConfig(), RATE)
    optimizer = torch.optim.Adam(codec.parameters(), lr=3e-4)
    losses, start = [], time.perf_counter()
    for _ in range(args.steps):
        real = crops()
        output = codec.train()(real)
        loss = mel(real, output.waveform) + output.quantized.loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for old, new in zip(average.parameters(), codec.parameters(), strict=True):
                old.lerp_(new, 0.001)
        losses.append(float(loss.detach()))
    report = {
        "codes": args.codes,
        "steps": args.steps,
        "threads": args.threads,
        "frames_per_step": BATCH * CROP // codec.hop_length,
        "seconds_per_step": round((time.perf_counter() - start) / args.steps, 2),
        "peak_gb": peak_gb(),
        "loss_of_first_and_last_5_steps": [
            round(sum(part) / len(part), 3) for part in (losses[:5], losses[-5:])
        ],
        "environment": environment(),
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
