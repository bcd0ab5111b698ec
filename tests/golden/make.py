"""Writes the golden files of the current format version, once: `python -m tests.golden.make`.

They are never changed afterwards. A new format version gets a new folder beside `v1`.
"""

from pathlib import Path

import numpy as np
import torch

from audiocodec import config as configuration
from audiocodec.audio import AudioInfo
from audiocodec.codes import CodesMetadata, write_codes
from audiocodec.containers.stream import StreamHeader, StreamWriter
from audiocodec.entropy.model import write_tables
from audiocodec.entropy.training import fit_tables
from audiocodec.models.bundle import load_codec, save_codec
from audiocodec.models.codec import Codec
from audiocodec.models.config import CodecConfig
from audiocodec.models.transcoder import Sound, Transcoder

FOLDER = Path(__file__).parent / "v1"
FRAMES = 1100  # more than one block
METADATA = CodesMetadata(
    model="golden",
    model_hash="0123456789abcdef",
    sample_rate=24_000,
    hop_length=320,
    codebook_sizes=(1024, 300, 3),
    num_samples=FRAMES * 320 - 7,
    source_sample_rate=48_000,
    source_num_samples=2 * (FRAMES * 320 - 7) - 1,
    source_channels=2,
)
HEADER = StreamHeader("golden", "0123456789abcdef", 24_000, 320, (1024, 300, 3))
MODEL_CONFIG = {
    "latent_dim": 4,
    "encoder": {"kind": "convnext", "strides": [40, 8], "channels": [4, 4], "blocks": [0, 0]},
    "quantizer": {"kind": "residual", "num_quantizers": 2, "codebook_size": 16},
    "decoder": {"kind": "convnext", "channels": 8, "blocks": 1},
}


def codes_by_formula(sizes: tuple[int, ...], frames: int, channels: int) -> np.ndarray:
    """(channels, stages, frames) codes that any language can compute."""
    channel, stage, frame = np.ogrid[:channels, : len(sizes), :frames]
    values = 37 * frame + 11 * stage * frame + frame * frame // 7 + 5 * channel * stage
    return np.asarray(values % np.array(sizes)[:, None])


def main() -> None:
    """Write everything into a folder that must be new."""
    FOLDER.mkdir()
    codes = codes_by_formula(METADATA.codebook_sizes, FRAMES, 2)
    tables = fit_tables(list(codes), [np.eye(size, 4) for size in METADATA.codebook_sizes])
    write_tables(FOLDER, tables)
    write_codes(FOLDER / "codes.npy", codes, METADATA)
    write_codes(FOLDER / "codes.npz", codes, METADATA)
    write_codes(FOLDER / "packed.codec", codes, METADATA)
    write_codes(FOLDER / "entropy.codec", codes, METADATA, tables)
    with open(FOLDER / "stream.codes", "wb") as file:
        writer = StreamWriter(file, HEADER)
        writer.write(codes[0, :, :10], 3200)
        writer.write(codes[0, :, 10:25], 14 * 320 + 1)
        writer.end()
    torch.manual_seed(0)
    codec = Codec(configuration.from_dict(CodecConfig, MODEL_CONFIG), name="golden").eval()
    with torch.no_grad():
        codec.quantizer.initialize(codec.encoder(0.1 * torch.randn(4, 1, 30 * 320)))
    save_codec(codec, FOLDER / "model", half=True)
    _write_chirp()


def chirp() -> np.ndarray:
    """(time,) a rising tone that any language can compute."""
    time = np.arange(9_001) / 24_000
    tone = 0.3 * np.sin(2 * np.pi * (200 + 500 * time) * time)
    return tone.astype(np.float32)


def _write_chirp() -> None:
    transcoder = Transcoder(load_codec(FOLDER / "model"))
    waveform = chirp()
    info = AudioInfo(sample_rate=24_000, num_samples=len(waveform), num_channels=1)
    coded = transcoder.encode([Sound(waveform[None], info)])[0]
    write_codes(FOLDER / "chirp.npy", *coded)
    decoded = transcoder.codec.decode(coded.codes, num_samples=len(waveform))
    np.save(FOLDER / "chirp_decoded.npy", decoded.numpy())


if __name__ == "__main__":
    main()
